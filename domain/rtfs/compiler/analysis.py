"""Analysis: nodes to expressions. Names are resolved, wrong numbers of arguments are refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NoReturn, TypeAlias

from domain.kernel.values import Keyword
from domain.rtfs.bytecode.module import EffectSignature
from domain.rtfs.capability import Capability
from domain.rtfs.compiler.budget import Budget
from domain.rtfs.compiler.expressions import (
    Call,
    Constant,
    Expression,
    LibraryCall,
    LibraryFunction,
    MakeMap,
    MakeVector,
    Sibling,
    SiblingCall,
)
from domain.rtfs.compiler.foreign import foreign
from domain.rtfs.compiler.inference import literal_type, map_type, result_type, vector_type
from domain.rtfs.compiler.macros import Frame, expanded, within
from domain.rtfs.compiler.notes import Notes
from domain.rtfs.compiler.problems import Problems
from domain.rtfs.compiler.scope import Macro, Named, Scope, Special, Variable
from domain.rtfs.compiler.texts import Texts
from domain.rtfs.functions import ALIASES, FUNCTIONS, Entry
from domain.rtfs.nodes import (
    Annotated,
    Context,
    ListNode,
    Literal,
    MapNode,
    Node,
    Quoted,
    ShorthandFn,
    Symbol,
    VectorNode,
)
from domain.rtfs.source import CompileError, Source, Span
from domain.rtfs.spelling import nearest
from domain.rtfs.types import ANY, Function, describe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from domain.rtfs.compiler.linking import Unit

MAX_DEPTH: Final = 80
"""Nesting of expressions, after forms have been reduced."""

LIBRARY: Final = " library "
"""Before a name made by the compiler: the function of the library, whatever the program names so."""

_MARKED: Final = {ShorthandFn: "#", Quoted: "'", Annotated: "^", Context: "@"}
"""Nodes that a mark begins, and their forms."""

Form: TypeAlias = Callable[["Analyzer", ListNode, Scope], Expression]


class Unresolved(CompileError):
    """A name stands for nothing here."""

    def __init__(self, symbol: Symbol, source: Source, hint: str) -> None:
        super().__init__(f"`{symbol.name}` is not defined", source, symbol.span, hint)
        self.symbol = symbol


class Analyzer:
    """One program while it is analysed."""

    def __init__(self, source: Source, capabilities: Mapping[str, Capability], forms: Mapping[str, Form]) -> None:
        self.source = source
        self.capabilities = capabilities
        self.forms = forms
        self.effects: dict[str, EffectSignature] = {}
        self.targets: list[int | None] = []
        """How many values `recur` takes, of the loops and functions around this place; ``None``: it cannot go on."""
        self.depth = 0
        self.values: dict[Variable, Expression] = {}
        """What is bound to names, for who needs to know more than the type."""
        self.budget = Budget()
        self.notes = Notes()
        self.expansions: list[tuple[Span, Frame]] = []
        """Macro calls and what is said of them, for problems that are found once everything is expanded."""
        self.texts = Texts(source)
        self.problems: Problems | None = None
        """Where to note problems, and go on behind them; ``None``: the first one ends the analysis."""
        self.module: str | None = None
        """The imported module that is analysed; ``None``: the program itself."""
        self.aliases: dict[str, Unit] = {}
        """Imported modules, by what stands before their names."""

    def fail(self, message: str, span: Span, hint: str | None = None) -> NoReturn:
        """Refuse the program."""
        raise CompileError(message, self.source, span, hint)

    def for_module(self, name: str | None) -> Analyzer:
        """Make the analyzer of a module of the same program."""
        inner = Analyzer(self.source, self.capabilities, self.forms)
        inner.effects, inner.budget, inner.notes, inner.texts = self.effects, self.budget, self.notes, self.texts
        inner.expansions, inner.values, inner.module = self.expansions, self.values, name
        inner.problems = self.problems
        return inner

    @contextmanager
    def target(self, values: int | None) -> Iterator[None]:
        """Be within a loop or function that `recur` goes on with so many values."""
        self.targets.append(values)
        try:
            yield
        finally:
            self.targets.pop()

    def expression(self, node: Node, scope: Scope) -> Expression:
        """Analyse one node."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(
                f"expressions are nested deeper than {MAX_DEPTH} levels", node.span, "name inner parts with `let`"
            )
        try:
            return self._dispatch(node, scope)
        except CompileError as error:
            name = error.symbol.name if isinstance(error, Unresolved) else None
            if self.problems is None or not self.problems.take(error, name):
                raise
            return Constant(None, node.span, ANY)
        finally:
            self.depth -= 1

    def expressions(self, nodes: Sequence[Node], scope: Scope) -> tuple[Expression, ...]:
        """Analyse several nodes."""
        return tuple([self.expression(node, scope) for node in nodes])

    def _dispatch(self, node: Node, scope: Scope) -> Expression:
        if isinstance(node, Literal):
            return Constant(node.value, node.span, literal_type(node.value))
        if isinstance(node, Symbol):
            return self._symbol(node, scope)
        if isinstance(node, ListNode):
            return self._list(node, scope)
        if isinstance(node, VectorNode):
            return self._vector(node, scope)
        if isinstance(node, MapNode):
            return self._map(node, scope)
        return self.forms[_MARKED[type(node)]](self, ListNode((node,), node.span), scope)

    def _symbol(self, node: Symbol, scope: Scope) -> Expression:
        binding = scope.find(node)
        if isinstance(binding, Variable | Named):
            return scope.definition.resolve(binding, node.span)
        if isinstance(binding, Special):
            return binding.read(self, node, scope)
        if isinstance(binding, Macro):
            self.fail(f"`{node.name}` is a macro, not a value", node.span, f"write ({node.name} …)")
        name = library_name(node.name)
        if name in FUNCTIONS:
            return LibraryFunction(FUNCTIONS[name], node.span, FUNCTIONS[name].type)
        if name in self.forms:
            self.fail(f"`{name}` is a form, not a value", node.span, f"write ({name} …)")
        return self.unknown(node, scope)

    def unknown(self, node: Symbol, scope: Scope) -> NoReturn:
        """Refuse a name that stands for nothing, with the nearest that does."""
        name = node.name
        if name.replace("/", ".") in self.capabilities:
            self.fail(f"`{name}` is a capability", node.span, f"write (call :{name} …)")
        alias, _, member = name.rpartition("/")
        if alias in self.aliases:
            self.aliases[alias].refuse(self, member, node.span)
        if name.startswith("%"):
            self.fail(f"`{name}` stands only within #(…)", node.span)
        known = [*scope.known(), *FUNCTIONS, *ALIASES, *self.forms]
        near = nearest(name, [each for each in known if not each.startswith((" ", "#"))])
        meant = f"did you mean `{near}`?" if near else f"names here are {', '.join(sorted(_visible(scope))) or 'none'}"
        raise Unresolved(node, self.source, foreign(name) or meant)

    def _list(self, node: ListNode, scope: Scope) -> Expression:
        if not node.items:
            self.fail("() is no call", node.span, "an empty collection is []")
        head = node.items[0]
        binding = scope.find(head) if isinstance(head, Symbol) else None
        if isinstance(head, Symbol) and binding is None and head.name.startswith(".") and len(node.items) > 1:
            # A method is a function whose first argument is the target.
            called = Symbol(head.name[1:], head.span, head.mark)
            return self._list(ListNode((called, *node.items[1:]), node.span), scope)
        if isinstance(binding, Macro):
            made, frames = expanded(self, node, scope)
            with within(frames):
                return self.expression(made, scope)
        if isinstance(binding, Special):
            return binding.called(self, node, scope)
        if isinstance(head, Symbol) and binding is None:
            form = self.forms.get(head.name)
            if form is not None:
                return form(self, node, scope)
            name = library_name(head.name)
            if name == "get" and _is_keyword_alone(node):
                return self.forms["@"](self, node, scope)
            if name in FUNCTIONS:
                return self.library_call(FUNCTIONS[name], self.expressions(node.items[1:], scope), node.span)
            return self.unknown(head, scope)
        if isinstance(head, Literal):
            return self._literal_call(head, node, scope)
        function = self.expression(head, scope)
        arguments = self.expressions(node.items[1:], scope)
        return self.call(function, arguments, node.span)

    def call(self, function: Expression, arguments: tuple[Expression, ...], span: Span) -> Expression:
        """Apply a function value to arguments."""
        if isinstance(function, LibraryFunction):
            return self.library_call(function.entry, arguments, span)
        if isinstance(function.type, Function):
            self._check_arity(function.type, len(arguments), span)
        if isinstance(function, Sibling):
            return SiblingCall(function.definition, arguments, span, function.definition.result)
        result = function.type.result if isinstance(function.type, Function) else ANY
        return Call(function, arguments, span, result)

    def _check_arity(self, function: Function, count: int, span: Span) -> None:
        takes = len(function.parameters)
        if count == takes or (function.rest is not None and count > takes):
            return
        least = "at least " if function.rest is not None else ""
        self.fail(f"the function takes {least}{takes} arguments, here are {count}", span)

    def _literal_call(self, head: Literal, node: ListNode, scope: Scope) -> Expression:
        if not isinstance(head.value, Keyword):
            self.fail(f"{describe(head.value)} cannot be called", head.span, "data is written in [ ] or { }")
        arguments = self.expressions(node.items[1:], scope)
        if not 1 <= len(arguments) <= 2:
            self.fail(
                f"a keyword takes a map and perhaps a default, here are {len(arguments)}",
                node.span,
                "(:key map default)",
            )
        key = Constant(head.value, head.span, literal_type(head.value))
        return self.library_call(FUNCTIONS["get"], (arguments[0], key, *arguments[1:]), node.span)

    def library_call(self, entry: Entry, arguments: tuple[Expression, ...], span: Span) -> Expression:
        """Apply a function of the library."""
        if not entry.accepts(len(arguments)):
            self.fail(
                f"`{entry.name}` takes {entry.arity()}, here are {len(arguments)}", span, f"as in {entry.example}"
            )
        return LibraryCall(entry, arguments, span, result_type(entry, arguments))

    def _vector(self, node: VectorNode, scope: Scope) -> Expression:
        items = self.expressions(node.items, scope)
        if all(isinstance(item, Constant) for item in items):
            value = [item.value for item in items if isinstance(item, Constant)]
            return Constant(value, node.span, vector_type(items))
        return MakeVector(items, node.span, vector_type(items))

    def _map(self, node: MapNode, scope: Scope) -> Expression:
        pairs = tuple((self._key(key, scope), self.expression(value, scope)) for key, value in node.pairs)
        constants = [key.value for key, _ in pairs if isinstance(key, Constant)]
        for place, key in enumerate(constants):
            if key in constants[:place]:
                self.fail(f"the key {describe(key)} is there twice", node.span)
        if all(isinstance(key, Constant) and isinstance(value, Constant) for key, value in pairs):
            folded = {
                key.value: value.value
                for key, value in pairs
                if isinstance(key, Constant) and isinstance(value, Constant)
            }
            return Constant(folded, node.span, map_type(pairs))
        return MakeMap(pairs, node.span, map_type(pairs))

    def _key(self, node: Node, scope: Scope) -> Expression:
        key = self.expression(node, scope)
        if isinstance(key, Constant) and type(key.value) not in (Keyword, str, int):
            self.fail(f"a map key is a keyword, string or integer, not {describe(key.value)}", node.span)
        return key

    def body(self, nodes: Sequence[Node], scope: Scope, span: Span) -> Expression:
        """Analyse the expressions of a body, with the definitions among them."""
        return self.forms["do"](self, ListNode((Symbol("do", span), *nodes), span), scope)


def _is_keyword_alone(node: ListNode) -> bool:
    return len(node.items) == 2 and isinstance(node.items[1], Literal) and isinstance(node.items[1].value, Keyword)


def library_name(name: str) -> str:
    """Give the name in the table of functions."""
    return ALIASES.get(name, name.removeprefix(LIBRARY))


def _visible(scope: Scope) -> list[str]:
    return [name for name in scope.known() if not name.startswith(" ")]
