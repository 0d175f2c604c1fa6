"""Patterns that take values apart while naming them; and type annotations, which are checked casts."""

from __future__ import annotations

from typing import Final

from domain.kernel.values import Keyword
from domain.rtfs.compiler.analysis import Analyzer
from domain.rtfs.compiler.expressions import (
    Bind,
    Cast,
    Constant,
    Expression,
    Read,
    Test,
)
from domain.rtfs.compiler.inference import literal_type
from domain.rtfs.compiler.scope import Scope, Variable
from domain.rtfs.functions import FUNCTIONS
from domain.rtfs.nodes import Literal, MapNode, Node, Symbol, VectorNode
from domain.rtfs.source import Span
from domain.rtfs.types import (
    ANY,
    NIL,
    Record,
    Tuple,
    Type,
    Vector,
    union,
)

Steps = list[Test | Bind]
Context = tuple[dict[str, Node], Scope, Steps]
"""Defaults by name, the scope that names go to, and the steps that bind them."""

_A_VECTOR: Final = union(Vector(ANY), NIL)
_A_MAP: Final = union(Record((), ANY), NIL)


def bind_value(
    analyzer: Analyzer, pattern: Node, annotation: Type | None, value: Expression, scope: Scope, steps: Steps
) -> None:
    """Bind a value to a pattern; with an annotation, a checked cast stands before it."""
    if annotation is not None:
        value = Cast(value, value.span, annotation, "this is not of the type it is declared with")
    bind(analyzer, pattern, value, scope, steps)


def bind(analyzer: Analyzer, pattern: Node, value: Expression, scope: Scope, steps: Steps) -> None:
    """Add the steps that bind a value to a name or take it apart."""
    if isinstance(pattern, Symbol):
        check_name(analyzer, pattern)
        if pattern.name == "_":
            steps.append(Bind(Variable("_", scope.definition, value.type), value))
            return
        variable = scope.bind(pattern, value.type)
        analyzer.values[variable] = value
        steps.append(Bind(variable, value))
    elif isinstance(pattern, VectorNode):
        _bind_vector(analyzer, pattern, value, scope, steps)
    elif isinstance(pattern, MapNode):
        _bind_map(analyzer, pattern, value, scope, steps)
    else:
        analyzer.fail("this is no name", pattern.span, "a name, [a b & rest] or {:keys [a b]}")


def check_name(analyzer: Analyzer, symbol: Symbol) -> None:
    """Refuse names that could not be read back."""
    if symbol.name == "&" or symbol.name.startswith("%") or "/" in symbol.name.strip("/"):
        analyzer.fail(f"`{symbol.name}` cannot be named here", symbol.span)


def hold(value: Expression, scope: Scope, steps: Steps) -> Read:
    """Keep a value in a variable without a name."""
    variable = Variable(" held", scope.definition, value.type)
    steps.append(Bind(variable, value))
    return Read(variable, value.span, value.type)


def _bind_vector(analyzer: Analyzer, pattern: VectorNode, value: Expression, scope: Scope, steps: Steps) -> None:
    known = isinstance(value.type, Vector | Tuple)
    held = hold(value if known else Cast(value, value.span, _A_VECTOR, "a vector is taken apart here"), scope, steps)
    items = list(pattern.items)
    place = 0
    while place < len(items):
        item = items[place]
        following = items[place + 1] if place + 1 < len(items) else None
        if isinstance(item, Symbol) and item.name == "&":
            if following is None:
                analyzer.fail("`&` is followed by a name", item.span, "[first & others]")
            count = Constant(place, item.span, literal_type(place))
            rest = analyzer.library_call(FUNCTIONS["drop"], (count, held), item.span)
            bind(analyzer, following, rest, scope, steps)
            del items[place : place + 2]
        elif isinstance(item, Literal) and item.value is Keyword("as") and following is not None:
            bind(analyzer, following, held, scope, steps)
            del items[place : place + 2]
        else:
            bind(analyzer, item, _part(analyzer, held, place, item.span), scope, steps)
            place += 1


def _part(analyzer: Analyzer, held: Read, key: Keyword | str | int, span: Span) -> Expression:
    return analyzer.library_call(FUNCTIONS["get"], (held, Constant(key, span, literal_type(key))), span)


def _bind_map(analyzer: Analyzer, pattern: MapNode, value: Expression, scope: Scope, steps: Steps) -> None:
    known = isinstance(value.type, Record)
    held = hold(value if known else Cast(value, value.span, _A_MAP, "a map is taken apart here"), scope, steps)
    defaults = _defaults(analyzer, pattern)
    for key, target in pattern.pairs:
        if isinstance(key, Literal) and isinstance(key.value, Keyword) and key.value.name in ("keys", "strs"):
            _bind_keys(analyzer, key.value.name, target, held, (defaults, scope, steps))
        elif isinstance(key, Literal) and key.value is Keyword("as"):
            bind(analyzer, target, held, scope, steps)
        elif isinstance(key, Literal) and key.value is Keyword("or"):
            continue
        elif isinstance(key, Symbol) and key.name == "&":
            bind(analyzer, target, without_keys(analyzer, pattern, held, key.span), scope, steps)
        elif isinstance(target, Literal) and not isinstance(key, Literal):
            _bind_key(analyzer, key, target, held, (defaults, scope, steps))
        elif isinstance(key, Literal):
            _bind_key(analyzer, target, key, held, (defaults, scope, steps))
        else:
            analyzer.fail("this is no entry of a pattern", key.span, "{:keys [a b]} or {:key name}")


def without_keys(analyzer: Analyzer, pattern: MapNode, held: Read, span: Span) -> Expression:
    """Give the entries of a map that its pattern does not name: ``{:a x & others}``."""
    keys: list[Keyword | str | int] = []
    for key, target in pattern.pairs:
        style = key.value.name if isinstance(key, Literal) and isinstance(key.value, Keyword) else ""
        if style in ("keys", "strs") and isinstance(target, VectorNode):
            names = [item.name for item in target.items if isinstance(item, Symbol)]
            keys.extend(Keyword(name) if style == "keys" else name for name in names)
        elif style not in ("as", "or"):
            literal = key if isinstance(key, Literal) else target
            if isinstance(literal, Literal) and isinstance(literal.value, Keyword | str | int):
                keys.append(literal.value)
    constants = [Constant(key, span, literal_type(key)) for key in keys]
    return analyzer.library_call(FUNCTIONS["dissoc"], (held, *constants), span) if constants else held


def _defaults(analyzer: Analyzer, pattern: MapNode) -> dict[str, Node]:
    for key, target in pattern.pairs:
        if isinstance(key, Literal) and key.value is Keyword("or"):
            if not isinstance(target, MapNode):
                analyzer.fail(":or takes a map of names and defaults", target.span, "{:keys [a] :or {a 1}}")
            return {name.name: value for name, value in target.pairs if isinstance(name, Symbol)}
    return {}


def _bind_keys(analyzer: Analyzer, style: str, names: Node, held: Read, context: Context) -> None:
    if not isinstance(names, VectorNode):
        analyzer.fail(f":{style} takes names in brackets", names.span, f"{{:{style} [a b]}}")
    for name in names.items:
        if not isinstance(name, Symbol):
            analyzer.fail("this is no name", name.span, f"{{:{style} [a b]}}")
        if name.name == "_":
            continue
        key = Keyword(name.name) if style == "keys" else name.name
        _bind_key(analyzer, name, Literal(key, name.span), held, context)


def _bind_key(analyzer: Analyzer, target: Node, key: Literal, held: Read, context: Context) -> None:
    defaults, scope, steps = context
    if not isinstance(key.value, Keyword | str | int):
        analyzer.fail("a map key is a keyword, string or integer", key.span)
    value = _part(analyzer, held, key.value, target.span)
    if isinstance(target, Symbol) and target.name in defaults:
        default = analyzer.expression(defaults[target.name], scope)
        arguments = (held, Constant(key.value, key.span, literal_type(key.value)), default)
        value = analyzer.library_call(FUNCTIONS["get"], arguments, target.span)
    bind(analyzer, target, value, scope, steps)
