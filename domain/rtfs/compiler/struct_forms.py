"""Types that a program names: `defstruct`, which also makes what checks a map, and `deftype`."""

from __future__ import annotations

from typing import Final

from domain.kernel.values import Keyword
from domain.rtfs.compiler.analysis import Analyzer
from domain.rtfs.compiler.destructuring import Steps, check_name, hold
from domain.rtfs.compiler.expressions import Cast, Choose, Clause, Expression, Read
from domain.rtfs.compiler.function_forms import make
from domain.rtfs.compiler.scope import Definition, Group, Scope, Special, Variable
from domain.rtfs.compiler.type_names import type_at
from domain.rtfs.compiler.type_tests import type_test
from domain.rtfs.nodes import ListNode, Literal, Symbol
from domain.rtfs.source import Span
from domain.rtfs.types import ANY, BOOL, NIL, Field, Record, Type, union

_STRUCT: Final = "(defstruct Person :name :string :age :int)"
_TYPE: Final = "(deftype Point [:tuple :int :int])"


def define_type(analyzer: Analyzer, node: ListNode, scope: Scope) -> None:
    """``(defstruct Name :field type …)``, ``(deftype Name type)``: name a type for what follows."""
    head = node.items[0]
    assert isinstance(head, Symbol)
    is_struct = head.name == "defstruct"
    hint = _STRUCT if is_struct else _TYPE
    name = node.items[1] if len(node.items) > 1 else node
    if not isinstance(name, Symbol):
        analyzer.fail(f"`{head.name}` takes a name", name.span, hint)
    check_name(analyzer, name)
    if name.name.endswith("?"):
        analyzer.fail(f"`{name.name}` cannot name a type: `?` asks, or makes it optional", name.span, hint)
    if not is_struct and len(node.items) != 3:
        analyzer.fail("`deftype` takes a name and a type", node.span, hint)
    type_ = _record(analyzer, node, scope) if is_struct else type_at(analyzer, node.items[2], scope)
    named = _Named(name.name, type_)
    scope.put(name, Special(named.construct if is_struct else named.refuse, named.constructor, type_))
    asked = Symbol(f"{name.name}?", name.span, name.mark)
    scope.put(asked, Special(named.ask, named.question, union(type_, NIL)))


def _record(analyzer: Analyzer, node: ListNode, scope: Scope) -> Record:
    fields: dict[str, Field] = {}
    parts = node.items[2:]
    if len(parts) % 2:
        analyzer.fail("this field has no type", parts[-1].span, _STRUCT)
    for key, type_ in zip(parts[::2], parts[1::2], strict=True):
        if not (isinstance(key, Literal) and isinstance(key.value, Keyword)):
            analyzer.fail("the fields of a struct are keywords, each with its type", key.span, _STRUCT)
        if key.value.name in fields:
            analyzer.fail(f"the field :{key.value.name} is there twice", key.span)
        fields[key.value.name] = Field(key.value.name, type_at(analyzer, type_, scope))
    return Record(tuple(fields[name] for name in sorted(fields)))


class _Named:
    """A type of the program: what its name, and its name with a question mark, do."""

    def __init__(self, name: str, type_: Type) -> None:
        self.name = name
        self.type = type_

    def construct(self, analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
        """``(Name map)``: the map itself, once it is checked."""
        value = self.argument(analyzer, node, scope, f"({self.name} {{…}})")
        return Cast(value, node.span, self.type, f"this is no {self.name}")

    def refuse(self, analyzer: Analyzer, node: ListNode, _scope: Scope) -> Expression:
        """A type that is no struct makes nothing."""
        hint = f"ask with ({self.name}? x), or check with (let [x {self.name} value] x)"
        return analyzer.fail(f"`{self.name}` is a type, and cannot be called", node.items[0].span, hint)

    def ask(self, analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
        """``(Name? value)``."""
        steps: Steps = []
        held = hold(self.argument(analyzer, node, scope, f"({self.name}? value)"), scope, steps)
        return Choose((Clause(tuple(steps), type_test(held, self.type, node.span)),), None, node.span, BOOL)

    def argument(self, analyzer: Analyzer, node: ListNode, scope: Scope, usage: str) -> Expression:
        """Analyse the one argument."""
        if len(node.items) != 2:
            found = len(node.items) - 1
            analyzer.fail(f"{usage} takes 1 argument, here are {found}", node.span)
        return analyzer.expression(node.items[1], scope)

    def constructor(self, _analyzer: Analyzer, node: Symbol, scope: Scope) -> Expression:
        """The name as a value: a function that checks."""
        definition, given = self.function(scope, node.span)
        definition.body = Cast(given, node.span, self.type, f"this is no {self.name}")
        definition.result = self.type
        return make(definition, node.span)

    def question(self, _analyzer: Analyzer, node: Symbol, scope: Scope) -> Expression:
        """The name with a question mark as a value: a function that asks."""
        definition, given = self.function(scope, node.span)
        definition.body = type_test(given, self.type, node.span)
        definition.result = BOOL
        return make(definition, node.span)

    def function(self, scope: Scope, span: Span) -> tuple[Definition, Read]:
        """Begin a function of one value."""
        definition = Definition(self.name, scope.definition, Group(scope.definition))
        variable = Variable(" value", definition, ANY)
        definition.parameters.append(variable)
        return definition, Read(variable, span, ANY)


def stray_type(analyzer: Analyzer, node: ListNode, _scope: Scope) -> Expression:
    """Refuse types where no body could use the name."""
    return analyzer.fail("types are named at the top or in a body", node.span, "(do (defstruct …) …)")
