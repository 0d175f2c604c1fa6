"""Types as text: ``parse_type`` reads them, ``print_type`` gives the one canonical spelling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, NoReturn, TypeAlias

from domain.kernel.values import Keyword, Value
from domain.rtfs.nodes import Annotated, ListNode, Literal, MapNode, Node, Symbol, VectorNode
from domain.rtfs.printer import print_value
from domain.rtfs.reader import read
from domain.rtfs.source import LocatedError, ReadError, Source, Span
from domain.rtfs.spelling import nearest
from domain.rtfs.types.combining import intersection, refine, union
from domain.rtfs.types.model import (
    NIL,
    STRING,
    Array,
    Enum,
    Field,
    Function,
    MapOf,
    Predicate,
    Record,
    Tuple,
    Type,
    Val,
    Vector,
)
from domain.rtfs.types.names import NAMED, named_type, shown_names
from domain.rtfs.types.patterns import pattern_problem

PREDICATE_ARITY: Final = {
    ">": 1,
    ">=": 1,
    "<": 1,
    "<=": 1,
    "=": 1,
    "!=": 1,
    "min-length": 1,
    "max-length": 1,
    "length": 1,
    "matches-regex": 1,
    "in-range": 2,
    "min-count": 1,
    "max-count": 1,
    "count": 1,
    "non-empty": 0,
    "has-key": 1,
    "required-keys": 1,
}

_RESOURCE: Final = Predicate("matches-regex", ("resource://.+",))
_ELSEWHERE: Final = {
    "or": "write [:union A B]",
    "maybe": "write T?, or [:union T :nil]",
    "optional": "write T?, or [:key T ?] for a key that may be absent",
    "nullable": "write T?, or [:union T :nil]",
    "set": "write [:vector T]",
    "object": "write [:map [:key T]]",
    "sequential": "write [:vector T]",
    "re": 'write [:and :string [:matches-regex "…"]]',
}
"""What other notations call a type, and how it is written here."""


Named: TypeAlias = Callable[[Symbol], Type | None]


@lru_cache(maxsize=4096)  # the same few types are read for every run, and a type never changes
def parse_type(text: str) -> Type:
    """Read one type. Raises ``ReadError`` with the place and a hint."""
    source = Source(text)
    types = _Parser(source, ReadError).read_types(read(text))
    if len(types) != 1:
        raise ReadError(f"one type is expected, {len(types)} are here", source, Span(0, len(text)))
    return types[0]


def type_of_node(
    node: Node, source: Source, error: type[LocatedError] = ReadError, named: Named = lambda _: None
) -> Type:
    """Give the type that a node of a program spells; what is no type raises ``error``.

    ``named`` gives the types that the program itself has names for.
    """
    return _Parser(source, error, named).read_type(node)


class _Parser:
    def __init__(self, source: Source, error: type[LocatedError], named: Named = lambda _: None) -> None:
        self.source = source
        self.error = error
        self.named = named

    def read_types(self, nodes: Sequence[Node]) -> list[Type]:
        """Read types one after the other; a ``?`` behind one adds nil to it."""
        types: list[Type] = []
        for node in nodes:
            if _is_mark(node, "?") and types:
                types.append(union(types.pop(), NIL))
            else:
                types.append(self.read_type(node))
        return types

    def read_type(self, node: Node) -> Type:
        if isinstance(node, Literal) and isinstance(node.value, Keyword):
            return self.read_name(Symbol(node.value.name, node.span))
        if isinstance(node, Symbol):
            return self.read_name(node)
        if isinstance(node, VectorNode | ListNode) and node.items:
            name = _name(node.items[0])
            if isinstance(node, ListNode) and name in ("or", "and"):
                return self.read_compound("union" if name == "or" else "and", node)
            if isinstance(node, VectorNode) and isinstance(node.items[0], Literal) and name is not None:
                return self.read_compound(name, node)
        if isinstance(node, Literal) and node.value is None:
            return NIL
        return self.fail("this is no type", node, "types are :int, :string, [:vector :int], [:map [:name :string]], …")

    def read_name(self, node: Symbol) -> Type:
        found = self.named(node) or named_type(node.name)
        base = node.name.removesuffix("?")
        if found is None and base != node.name:
            found = self.named(Symbol(base, node.span, node.mark))
            found = union(found, NIL) if found else None
        if found is None:
            near = nearest(base, NAMED) or nearest(base.lower(), NAMED)
            hint = f"did you mean :{near}?" if near else f"known are {shown_names()}"
            if base in _COMPOUNDS:
                hint = f"write [:{base} …] with what it is made of"
            self.fail(f":{base} is no type", node, _ELSEWHERE.get(base, hint))
        return found

    def read_compound(self, name: str, node: VectorNode | ListNode) -> Type:
        read_compound = _COMPOUNDS.get(name)
        if read_compound is None:
            near = nearest(name, _COMPOUNDS)
            known = " ".join(f"[:{known} …]" for known in _COMPOUNDS)
            hint = _ELSEWHERE.get(name) or (f"did you mean [:{near} …]?" if near else f"known are {known}")
            self.fail(f"[:{name} …] is no type", node.items[0], hint)
        return read_compound(self, node, node.items[1:])

    def exactly(self, count: int, node: Node, arguments: Sequence[object], shape: str) -> None:
        if len(arguments) != count:
            self.fail(f"{shape} takes {count}, here are {len(arguments)}", node, f"write {shape}")

    def read_vector(self, node: Node, arguments: tuple[Node, ...]) -> Type:
        types = self.read_types(arguments)
        self.exactly(1, node, types, "[:vector T]")
        return Vector(types[0])

    def read_array(self, node: Node, arguments: tuple[Node, ...]) -> Type:
        shape: tuple[int | None, ...] = (None,)
        if arguments and isinstance(arguments[-1], VectorNode) and _is_shape(arguments[-1]):
            shape = tuple(self.dimension(each) for each in arguments[-1].items)
            arguments = arguments[:-1]
        types = self.read_types(arguments)
        self.exactly(1, node, types, "[:array T [2 ?]]")
        return Array(types[0], shape)

    def dimension(self, node: Node) -> int | None:
        if _is_mark(node, "?"):
            return None
        if not (isinstance(node, Literal) and type(node.value) is int and node.value >= 0):
            self.fail("this is no dimension of an array", node, "a dimension is a length, or ? for any: [2 ?]")
        return node.value

    def read_tuple(self, _node: Node, arguments: tuple[Node, ...]) -> Type:
        return Tuple(tuple(self.read_types(arguments)))

    def read_map_of(self, node: Node, arguments: tuple[Node, ...]) -> Type:
        types = self.read_types(arguments)
        self.exactly(2, node, types, "[:map-of K V]")
        return MapOf(types[0], types[1])

    def read_union(self, node: Node, arguments: tuple[Node, ...]) -> Type:
        if not arguments:
            self.fail("[:union …] has no members", node, "write [:union A B]")
        return union(*self.read_types(arguments))

    def read_enum(self, node: Node, arguments: tuple[Node, ...]) -> Type:
        if not arguments:
            self.fail("[:enum …] has no values", node, 'write [:enum "a" "b"]')
        values = {print_value(value): value for value in map(self.literal, arguments)}
        return Enum(tuple(values[text] for text in sorted(values)))

    def read_val(self, node: Node, arguments: tuple[Node, ...]) -> Type:
        self.exactly(1, node, arguments, "[:val x]")
        return Val(self.literal(arguments[0]))

    def read_resource(self, node: Node, arguments: tuple[Node, ...]) -> Type:
        self.exactly(1, node, arguments, "[:resource name]")
        if _name(arguments[0]) is None:
            self.fail("the kind of a resource is a name", arguments[0], "write [:resource my.app/Handle]")
        return refine(STRING, [_RESOURCE])

    def read_function(self, node: Node, arguments: tuple[Node, ...]) -> Type:
        self.exactly(2, node, [each for each in arguments if not _is_mark(each, "?")], "[:fn [A B] R]")
        if not isinstance(arguments[0], VectorNode):
            self.fail("the parameters of a function type stand in brackets", arguments[0], "write [:fn [A & B] R]")
        items = arguments[0].items
        place = next((place for place, item in enumerate(items) if _is_mark(item, "&")), len(items))
        rest = self.read_types(items[place + 1 :])
        if place < len(items) and len(rest) != 1:
            self.fail("`&` is followed by exactly one type", items[place], "write [:fn [A & B] R]")
        fixed = tuple(self.read_types(items[:place]))
        return Function(fixed, rest[0] if rest else None, *self.read_types(arguments[1:]))

    def read_record(self, _node: Node, arguments: tuple[Node, ...]) -> Type:
        fields: dict[str, Field] = {}
        rest: Type | None = None
        for argument in arguments:
            for key, value, required, place in self.entries(argument):
                if key == "*":
                    rest = self.read_type(value)
                elif key in fields:
                    self.fail(f":{key} is declared twice", place)
                else:
                    fields[key] = Field(key, self.read_type(value), required)
        return Record(tuple(fields[key] for key in sorted(fields)), rest)

    def entries(self, node: Node) -> list[tuple[str, Node, bool, Node]]:
        """Give key, type, whether it is required and the place of each field: ``[:k T ?]`` or ``{:k T ?}``."""
        pairs: list[tuple[Node, Node, bool]] = []
        if isinstance(node, VectorNode) and len(node.items) in (2, 3):
            mark = node.items[2] if len(node.items) == 3 else None
            if mark is not None and not _is_mark(mark, "?"):
                self.fail("only `?` may follow the type of a field", mark, "write [:key T] or [:key T ?]")
            pairs.append((node.items[0], node.items[1], mark is None))
        elif isinstance(node, MapNode):
            pairs.extend((key, *_required(value)) for key, value in node.pairs)
        else:
            self.fail("this is no field", node, "a field is [:key T], or [:key T ?] when it may be absent")
        return [(self.key(key), value, required, key) for key, value, required in pairs]

    def key(self, node: Node) -> str:
        if not (isinstance(node, Literal) and isinstance(node.value, Keyword)):
            self.fail("the key of a field is a keyword", node, "for other keys write [:map-of K V]")
        return node.value.name

    def read_refined(self, node: Node, arguments: tuple[Node, ...]) -> Type:
        if not arguments:
            self.fail("[:and …] has no type", node, "write [:and :int [:> 0]]")
        found = self.read_type(arguments[0])
        predicates: list[Predicate] = []
        for argument in arguments[1:]:
            if _is_mark(argument, "?"):
                found = union(found, NIL)
            elif _is_type(argument):
                also = self.read_type(argument)
                both = intersection(found, also)
                if both is None:
                    hint = "a value has one kind; the fields of several maps may stand in one [:map …]"
                    self.fail(f"no type is both {print_type(found)} and {print_type(also)}", argument, hint)
                found = both
            else:
                predicates.append(self.predicate(argument))
        return refine(found, predicates)

    def predicate(self, node: Node) -> Predicate:
        if not (isinstance(node, VectorNode) and node.items and _name(node.items[0]) is not None):
            self.fail("this is no predicate", node, 'predicates are [:> 0], [:min-length 1], [:matches-regex "a+"], …')
        head = node.items[0]
        name = _name(head) or ""
        if isinstance(head, Symbol) or name not in PREDICATE_ARITY:
            near = name if name in PREDICATE_ARITY else nearest(name, PREDICATE_ARITY)
            known = "known are " + " ".join(f":{key}" for key in PREDICATE_ARITY)
            hint = f"did you mean [:{near} …]?" if near else f"{known}; other conditions are checked by the program"
            self.fail("this predicate is not known", head, hint)
        if len(node.items) - 1 != PREDICATE_ARITY[name]:
            self.fail(f":{name} takes {PREDICATE_ARITY[name]} arguments, here are {len(node.items) - 1}", node)
        arguments = tuple(self.literal(item) for item in node.items[1:])
        self.check_predicate(name, arguments, node)
        return Predicate(name, arguments)

    def check_predicate(self, name: str, arguments: tuple[Value, ...], node: Node) -> None:
        numeric = name in (">", ">=", "<", "<=", "in-range")
        counting = name.endswith(("length", "count"))
        if numeric and not all(type(argument) in (int, float) for argument in arguments):
            self.fail(f":{name} compares with a number", node)
        if counting and not all(type(argument) is int for argument in arguments):
            self.fail(f":{name} takes an integer", node)
        if name == "matches-regex":
            pattern = arguments[0]
            if not isinstance(pattern, str):
                self.fail(":matches-regex takes a string", node)
            problem = pattern_problem(pattern)
            if problem is not None:
                self.fail(f"the pattern {pattern!r:.80} cannot be used: {problem}", node)
        if name == "required-keys" and not isinstance(arguments[0], list):
            self.fail(":required-keys takes a vector of keys", node)

    def literal(self, node: Node) -> Value:
        if isinstance(node, Literal):
            return node.value
        if isinstance(node, VectorNode):
            return [self.literal(item) for item in node.items]
        if isinstance(node, MapNode):
            pairs = [(self.literal(key), self.literal(value)) for key, value in node.pairs]
            if all(type(key) in (Keyword, str, int) for key, _ in pairs):
                return dict(pairs)
        return self.fail("a literal is expected here", node)

    def fail(self, message: str, node: Node, hint: str | None = None) -> NoReturn:
        raise self.error(message, self.source, node.span, hint)


def _name(node: Node) -> str | None:
    """Give the name that a keyword or symbol is."""
    if isinstance(node, Symbol):
        return node.name
    return node.value.name if isinstance(node, Literal) and isinstance(node.value, Keyword) else None


def _is_mark(node: Node, mark: str) -> bool:
    return isinstance(node, Symbol) and node.name == mark


def _is_shape(node: VectorNode) -> bool:
    """Tell ``[2 ?]`` from a type in brackets."""
    return bool(node.items) and not (isinstance(node.items[0], Literal) and _name(node.items[0]) is not None)


def _is_type(node: Node) -> bool:
    """Tell a member of an intersection from a predicate."""
    return not isinstance(node, VectorNode) or bool(node.items and _name(node.items[0]) in _COMPOUNDS)


def _required(value: Node) -> tuple[Node, bool]:
    """Give the type of a field within braces, and whether no ``?`` follows it."""
    if isinstance(value, Annotated):
        match value.metadata.pairs:
            case ((Literal(Keyword(name="optional")), Literal(mark)),) if mark is True:
                return value.node, False
    return value, True


_COMPOUNDS: Final[dict[str, Callable[[_Parser, VectorNode | ListNode, tuple[Node, ...]], Type]]] = {
    "vector": _Parser.read_vector,
    "list": _Parser.read_vector,
    "array": _Parser.read_array,
    "tuple": _Parser.read_tuple,
    "map": _Parser.read_record,
    "record": _Parser.read_record,
    "map-of": _Parser.read_map_of,
    "dict": _Parser.read_map_of,
    "union": _Parser.read_union,
    "enum": _Parser.read_enum,
    "val": _Parser.read_val,
    "resource": _Parser.read_resource,
    "fn": _Parser.read_function,
    "=>": _Parser.read_function,
    "and": _Parser.read_refined,
}
"""What a type in brackets may begin with."""


def print_type(given: Type) -> str:
    """Give the canonical spelling of a type: equal types have equal text, and ``parse_type`` reads it back."""
    return str(given)
