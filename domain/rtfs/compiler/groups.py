"""Functions that are defined together, so that each may call each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from domain.rtfs.compiler.analysis import Analyzer
from domain.rtfs.compiler.body_items import Item
from domain.rtfs.compiler.definitions import FunctionText, function_text
from domain.rtfs.compiler.destructuring import Steps, check_name
from domain.rtfs.compiler.expressions import Bind
from domain.rtfs.compiler.function_forms import declare, make, signature
from domain.rtfs.compiler.macros import within
from domain.rtfs.compiler.metadata_forms import describe
from domain.rtfs.compiler.scope import Definition, Group, Named, Scope, Variable


class Member(NamedTuple):
    """One function of a group."""

    definition: Definition
    text: FunctionText
    item: Item


def declare_member(analyzer: Analyzer, item: Item, group: Group, scope: Scope) -> Member:
    """Read name and parameters, so that others may call the function before its body is analysed."""
    with within(item.frames):
        text = function_text(analyzer, item.node)
        describe(analyzer, text.name.name, text.metadata, text.node.span, text.doc)
        check_name(analyzer, text.name)
        definition = Definition(text.name.name, scope.definition, group)
        declare(analyzer, definition, text.items, text.node, scope)
    variable = Variable(text.name.name, scope.definition, signature(definition))
    scope.put(text.name, Named(definition, variable))
    return Member(definition, text, item)


def bind_members(analyzer: Analyzer, members: Sequence[Member], scope: Scope, steps: Steps) -> None:
    """Bind the functions, once all their bodies are analysed."""
    for definition, text, item in members:
        named = scope.find(text.name)
        assert isinstance(named, Named)
        if named.definition is not definition:
            with within(item.frames):
                analyzer.fail(f"`{definition.name}` is defined twice", text.node.span)
        made = make(definition, text.node.span)
        named.variable.type = made.type
        steps.append(Bind(named.variable, made))
