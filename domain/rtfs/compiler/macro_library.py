"""The forms and functions of the language of macro bodies, in two printed tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from domain.kernel.errors import PrecedentError
from domain.kernel.values import Keyword
from domain.rtfs.compiler.macro_language import Evaluation, Form, Function, Item, MacroFailed, MacroFunction, Names
from domain.rtfs.compiler.scope import Mark
from domain.rtfs.equality import equal
from domain.rtfs.nodes import ListNode, Literal, MapNode, Node, Symbol, VectorNode, moved
from domain.rtfs.printer import print_scalar
from domain.rtfs.reader import read


def _truth(item: Item) -> bool:
    return not (isinstance(item, Literal) and (item.value is None or item.value is False))


def _if(at: Evaluation, nodes: Sequence[Node], names: Names) -> Item:
    if len(nodes) not in (2, 3):
        raise MacroFailed("`if` takes a condition and one or two branches")
    if _truth(at.evaluate(nodes[0], names)):
        return at.evaluate(nodes[1], names)
    return at.evaluate(nodes[2], names) if len(nodes) == 3 else at.literal(None)


def _when(at: Evaluation, nodes: Sequence[Node], names: Names) -> Item:
    if not nodes:
        raise MacroFailed("`when` takes a condition and a body")
    return at.body(nodes[1:], names) if _truth(at.evaluate(nodes[0], names)) else at.literal(None)


def _cond(at: Evaluation, nodes: Sequence[Node], names: Names) -> Item:
    if len(nodes) % 2:
        raise MacroFailed("`cond` takes conditions and values in pairs")
    for condition, value in zip(nodes[::2], nodes[1::2], strict=True):
        if _truth(at.evaluate(condition, names)):
            return at.evaluate(value, names)
    return at.literal(None)


def _let(at: Evaluation, nodes: Sequence[Node], names: Names) -> Item:
    if len(nodes) < 2 or not isinstance(nodes[0], VectorNode) or len(nodes[0].items) % 2:
        raise MacroFailed("`let` takes bindings in brackets and a body")
    inner = dict(names)
    at.spend(len(inner))
    for pattern, value in zip(nodes[0].items[::2], nodes[0].items[1::2], strict=True):
        if not isinstance(pattern, Symbol | VectorNode):
            raise MacroFailed("`let` names things, or takes them apart with [a b]")
        at.bind(pattern, at.evaluate(value, inner), inner)
    return at.body(nodes[1:], inner)


def _do(at: Evaluation, nodes: Sequence[Node], names: Names) -> Item:
    return at.body(nodes, names)


def _fn(_at: Evaluation, nodes: Sequence[Node], names: Names) -> Item:
    if len(nodes) < 2 or not isinstance(nodes[0], VectorNode):
        raise MacroFailed("`fn` takes parameters in brackets and a body")
    return MacroFunction(nodes[0].items, tuple(nodes[1:]), names)


def _and(at: Evaluation, nodes: Sequence[Node], names: Names) -> Item:
    value: Item = at.literal(True)  # noqa: FBT003  # the value of (and)
    for node in nodes:
        value = at.evaluate(node, names)
        if not _truth(value):
            break
    return value


def _or(at: Evaluation, nodes: Sequence[Node], names: Names) -> Item:
    value: Item = at.literal(None)
    for node in nodes:
        value = at.evaluate(node, names)
        if _truth(value):
            break
    return value


def _quote(at: Evaluation, nodes: Sequence[Node], _names: Names) -> Item:
    if len(nodes) != 1:
        raise MacroFailed("`quote` takes one form")
    return moved(nodes[0], at.span)


FORMS: Final[dict[str, Form]] = {
    "if": _if,
    "when": _when,
    "cond": _cond,
    "let": _let,
    "do": _do,
    "fn": _fn,
    "and": _and,
    "or": _or,
    "quote": _quote,
}


def _sized(name: str, least: int, most: int | None, run: Callable[..., Item]) -> Function:
    def checked(at: Evaluation, items: list[Item]) -> Item:
        if len(items) < least or (most is not None and len(items) > most):
            takes = f"{least}" if least == most else f"at least {least}" if most is None else f"{least} to {most}"
            raise MacroFailed(f"`{name}` takes {takes} arguments, here are {len(items)}")
        return run(at, *items)

    return checked


def _place(items: Sequence[Node], place: int, at: Evaluation) -> Item:
    return items[place] if -len(items) <= place < len(items) else at.literal(None)


def _number(item: Item) -> int:
    if isinstance(item, Literal) and type(item.value) is int:
        return item.value
    raise MacroFailed("an integer is expected here", None if isinstance(item, MacroFunction) else item)


def _nth(at: Evaluation, given: Item, place: Item) -> Item:
    items, number = at.items(given), _number(place)
    if not 0 <= number < len(items):
        raise MacroFailed(f"`nth` has no item {number}; there are {len(items)}")
    return items[number]


def _concat(at: Evaluation, *given: Item) -> Item:
    return at.listed([item for each in given for item in at.items(each)])


def _partition(at: Evaluation, size: Item, given: Item) -> Item:
    width, items = _number(size), at.items(given)
    if width < 1:
        raise MacroFailed("`partition` takes a size above 0")
    at.spend(len(items))
    whole = range(0, len(items) - len(items) % width, width)
    return at.listed([ListNode(items[start : start + width], at.span) for start in whole])


def _map(at: Evaluation, function: Item, *given: Item) -> Item:
    rows = zip(*[at.items(each) for each in given], strict=False)
    return at.listed([at.node(at.apply(function, list(row)), "`map`") for row in rows])


def _filter(at: Evaluation, function: Item, given: Item) -> Item:
    return at.listed([item for item in at.items(given) if _truth(at.apply(function, [item]))])


def _reduce(at: Evaluation, function: Item, first: Item, given: Item) -> Item:
    value = at.node(first, "`reduce`")
    for item in at.items(given):
        value = at.node(at.apply(function, [value, item]), "`reduce`")
    return value


def text_of(item: Item) -> str:
    """Give the text that stands for an atom."""
    if isinstance(item, Symbol):
        return item.name
    if isinstance(item, Literal):
        value = item.value
        return value if isinstance(value, str) else "" if value is None else print_scalar(value)
    raise MacroFailed("text is made of names, keywords, strings and numbers")


def _name(at: Evaluation, item: Item) -> Item:
    if isinstance(item, Literal) and isinstance(item.value, Keyword):
        return at.literal(item.value.name)
    return at.literal(text_of(item))


def _str(at: Evaluation, *items: Item) -> Item:
    text = "".join(map(text_of, items))
    at.spend(len(text))
    return at.literal(text)


def _symbol(at: Evaluation, item: Item) -> Item:
    text = text_of(item)
    try:
        made = read(text)
    except PrecedentError:
        made = ()
    if len(made) != 1 or not isinstance(made[0], Symbol):
        raise MacroFailed(f"{text[:40]!r} is no name")
    return Symbol(text, at.span)


def _keyword(at: Evaluation, item: Item) -> Item:
    text = text_of(item).removeprefix(":")
    if not text:
        raise MacroFailed("a keyword has a name")
    return at.literal(Keyword(text))


def _gensym(at: Evaluation, *prefix: Item) -> Item:
    return Symbol(text_of(prefix[0]) if prefix else "made", at.span, Mark(at.macro.scope, None))


def _error(_at: Evaluation, message: Item, *place: Item) -> Item:
    where = place[0] if place else None
    raise MacroFailed(text_of(message), None if isinstance(where, MacroFunction) else where)


def same(left: Item, right: Item) -> bool:
    """Tell whether two nodes are the same code, wherever they stand."""
    if isinstance(left, Literal) and isinstance(right, Literal):
        return equal(left.value, right.value)
    if isinstance(left, Symbol) and isinstance(right, Symbol):
        return left.name == right.name
    if isinstance(left, ListNode | VectorNode) and isinstance(right, ListNode | VectorNode):
        pairs = zip(left.items, right.items, strict=False)
        return len(left.items) == len(right.items) and all(same(*pair) for pair in pairs)
    return left is right


def _kind(*kinds: type, holding: tuple[type, ...] = ()) -> Callable[[Evaluation, Item], Item]:
    def ask(at: Evaluation, item: Item) -> Item:
        fits = isinstance(item, kinds)
        if fits and holding:
            assert isinstance(item, Literal)
            fits = type(item.value) in holding
        return at.literal(fits)

    return ask


def _arithmetic(run: Callable[[int, int], int]) -> Callable[[Evaluation, Item, Item], Item]:
    def work_out(at: Evaluation, left: Item, right: Item) -> Item:
        value = run(_number(left), _number(right))
        if not -(2**63) <= value < 2**63:
            raise MacroFailed("the number needs more than 64 bits")
        return at.literal(value)

    return work_out


_TABLE: Final[tuple[tuple[str, int, int | None, Callable[..., Item]], ...]] = (
    ("=", 2, 2, lambda at, left, right: at.literal(same(left, right))),
    ("not=", 2, 2, lambda at, left, right: at.literal(not same(left, right))),
    ("not", 1, 1, lambda at, item: at.literal(not _truth(item))),
    ("+", 2, 2, _arithmetic(lambda left, right: left + right)),
    ("-", 2, 2, _arithmetic(lambda left, right: left - right)),
    ("<", 2, 2, _arithmetic(lambda left, right: left < right)),
    (">", 2, 2, _arithmetic(lambda left, right: left > right)),
    ("even?", 1, 1, lambda at, item: at.literal(_number(item) % 2 == 0)),
    ("odd?", 1, 1, lambda at, item: at.literal(_number(item) % 2 == 1)),
    ("count", 1, 1, lambda at, given: at.literal(len(at.items(given)))),
    ("empty?", 1, 1, lambda at, given: at.literal(not at.items(given))),
    ("first", 1, 1, lambda at, given: _place(at.items(given), 0, at)),
    ("second", 1, 1, lambda at, given: _place(at.items(given), 1, at)),
    ("last", 1, 1, lambda at, given: _place(at.items(given), -1, at)),
    ("rest", 1, 1, lambda at, given: at.listed(at.items(given)[1:])),
    ("butlast", 1, 1, lambda at, given: at.listed(at.items(given)[:-1])),
    ("reverse", 1, 1, lambda at, given: at.listed(at.items(given)[::-1])),
    ("nth", 2, 2, _nth),
    ("cons", 2, 2, lambda at, item, given: at.listed([at.node(item, "`cons`"), *at.items(given)])),
    ("conj", 2, 2, lambda at, given, item: at.listed([*at.items(given), at.node(item, "`conj`")])),
    ("concat", 0, None, _concat),
    ("list", 0, None, lambda at, *items: at.listed([at.node(each, "`list`") for each in items])),
    ("vector", 0, None, lambda at, *items: VectorNode(tuple(at.node(each, "`vector`") for each in items), at.span)),
    ("vec", 1, 1, lambda at, given: VectorNode(at.items(given), at.span)),
    ("partition", 2, 2, _partition),
    ("map", 2, None, _map),
    ("filter", 2, 2, _filter),
    ("reduce", 3, 3, _reduce),
    ("list?", 1, 1, _kind(ListNode)),
    ("vector?", 1, 1, _kind(VectorNode)),
    ("map?", 1, 1, _kind(MapNode)),
    ("symbol?", 1, 1, _kind(Symbol)),
    ("keyword?", 1, 1, _kind(Literal, holding=(Keyword,))),
    ("string?", 1, 1, _kind(Literal, holding=(str,))),
    ("int?", 1, 1, _kind(Literal, holding=(int,))),
    ("number?", 1, 1, _kind(Literal, holding=(int, float))),
    ("nil?", 1, 1, _kind(Literal, holding=(type(None),))),
    ("str", 0, None, _str),
    ("name", 1, 1, _name),
    ("symbol", 1, 1, _symbol),
    ("keyword", 1, 1, _keyword),
    ("gensym", 0, 1, _gensym),
    ("error", 1, 2, _error),
)
"""Name, fewest and most arguments, and what it does."""

FUNCTIONS: Final[dict[str, Function]] = {name: _sized(name, least, most, run) for name, least, most, run in _TABLE}
