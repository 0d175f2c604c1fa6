"""`call`, the one way to the world."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from domain.kernel.values import Keyword, Value
from domain.rtfs.bytecode.module import EffectSignature
from domain.rtfs.capability import Capability, Parameter
from domain.rtfs.compiler.analysis import Analyzer
from domain.rtfs.compiler.choice_forms import choose, constant, library, no_match
from domain.rtfs.compiler.destructuring import Steps, bind, hold
from domain.rtfs.compiler.drawn_calls import arguments_once, names_of
from domain.rtfs.compiler.expressions import Choose, Clause, Effect, Expression, Test
from domain.rtfs.compiler.scope import Scope
from domain.rtfs.nodes import ListNode, Literal, MapNode, Node
from domain.rtfs.source import Span
from domain.rtfs.spelling import nearest
from domain.rtfs.types import ANY, MapOf
from domain.rtfs.types.relation import conflict

Named = list[tuple[int, Expression]]


def call(analyzer: Analyzer, node: ListNode, scope: Scope, hints: dict[Any, Value] | None = None) -> Expression:
    """``(call :ns.name argument…)``, or ``(call :ns.name {:parameter argument})``."""
    if len(node.items) < 2:
        analyzer.fail("`call` takes the name of a capability", node.span, "(call :ns.name argument)")
    if not (isinstance(node.items[1], Literal) and isinstance(node.items[1].value, Keyword | str)):
        return _drawn(analyzer, node, scope, hints)
    capability = _capability(analyzer, node.items[1])
    nodes = node.items[2:]
    arguments = _by_name(analyzer, capability, nodes, scope)
    if arguments is None:
        arguments = _by_place(analyzer, capability, nodes, scope, node.span)
    given = {number for number, _ in arguments}
    for number, parameter in enumerate(capability.parameters):
        if parameter.required and number not in given:
            analyzer.fail(f"`{capability.name}` needs `{parameter.name}`", node.span, f"write {usage(capability)}")
    effect = analyzer.effects.setdefault(
        capability.name,
        EffectSignature(
            capability.name, capability.version, capability.effects, capability.parameters, capability.result
        ),
    )
    return Effect(effect, tuple(arguments), node.span, capability.result, hints)


def usage(capability: Capability) -> str:
    """Show how a capability is called."""
    parts = [parameter.name if parameter.required else f"{parameter.name}?" for parameter in capability.parameters]
    return f"(call {' '.join([f':{capability.name}', *parts])})"


def _drawn(analyzer: Analyzer, node: ListNode, scope: Scope, hints: dict[Any, Value] | None) -> Expression:
    """Choose among the capabilities that the first argument can name."""
    span = node.span
    first: Steps = []
    chosen = analyzer.expression(node.items[1], scope)
    names = names_of(analyzer, chosen)
    if names is None:
        hint = (
            "(call :ns.name …), so that effects are known before; or draw it from a set: (call (one-of x :a.b :c.d) …)"
        )
        analyzer.fail("the capability of a `call` is written out", node.items[1].span, hint)
    held = hold(chosen, scope, first)
    inner = scope.inner()
    nodes, arguments = arguments_once(node.items[2:])
    for symbol, argument in arguments:
        bind(analyzer, symbol, analyzer.expression(argument, scope), inner, first)
    clauses: list[Clause] = []
    for name in names:
        called = call(
            analyzer, ListNode((node.items[0], Literal(name, node.items[1].span), *nodes), span), inner, hints
        )
        clauses.append(Clause((Test(library("=", held, constant(name, span), span=span)),), called))
    made = choose(clauses, no_match("call", span), span)
    return Choose((Clause(tuple(first), made),), None, span, made.type)


def _capability(analyzer: Analyzer, node: Literal) -> Capability:
    assert isinstance(node.value, Keyword | str)
    name = node.value.name if isinstance(node.value, Keyword) else node.value
    found = analyzer.capabilities.get(name) or analyzer.capabilities.get(name.replace("/", "."))
    if found is not None:
        return found
    allowed = ", ".join(f":{each}" for each in sorted(analyzer.capabilities)) or "none"
    near = nearest(name, analyzer.capabilities)
    meant = f"did you mean :{near}? " if near else ""
    hint = f"{meant}allowed here: {allowed}; a tool is allowed once the task's `tools` list it"
    return analyzer.fail(f"the capability :{name} is not allowed here", node.span, hint)


def _by_name(analyzer: Analyzer, capability: Capability, nodes: Sequence[Node], scope: Scope) -> Named | None:
    """Read arguments by name; none when they are not given so."""
    if len(nodes) != 1 or not isinstance(nodes[0], MapNode):
        return None
    numbers = {parameter.name: number for number, parameter in enumerate(capability.parameters)}
    keys = [
        key.value.name if isinstance(key, Literal) and isinstance(key.value, Keyword) else None
        for key, _ in nodes[0].pairs
    ]
    if numbers and not any(key in numbers for key in keys) and not (keys and _takes_no_map(capability.parameters[0])):
        # A map that names no parameter may itself be the one argument; without any keys it is no argument at all.
        return [] if not keys and not any(each.required for each in capability.parameters) else None
    arguments: Named = []
    for name, (key, value) in zip(keys, nodes[0].pairs, strict=True):
        if name is None or name not in numbers:
            near = nearest(name, numbers) if name else None
            meant = f"did you mean :{near}? " if near else ""
            hint = f"{meant}its parameters are {', '.join(f':{each}' for each in numbers) or 'none'}"
            analyzer.fail(f"`{capability.name}` has no parameter {name or 'of this kind'}", key.span, hint)
        if any(numbers[name] == number for number, _ in arguments):
            analyzer.fail(f"the parameter :{name} is given twice", key.span)
        arguments.append((numbers[name], analyzer.expression(value, scope)))
    return arguments


def _takes_no_map(parameter: Parameter) -> bool:
    """Whether no map may be this argument, so that one in its place can only name parameters."""
    return conflict(MapOf(ANY, ANY), parameter.type) is not None


def _by_place(analyzer: Analyzer, capability: Capability, nodes: Sequence[Node], scope: Scope, span: Span) -> Named:
    if len(nodes) > len(capability.parameters):
        message = f"`{capability.name}` takes {len(capability.parameters)} arguments, here are {len(nodes)}"
        analyzer.fail(message, span, f"write {usage(capability)}")
    return list(enumerate(analyzer.expressions(nodes, scope)))
