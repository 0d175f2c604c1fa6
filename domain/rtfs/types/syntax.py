"""Types as text: ``parse_type`` reads them, ``print_type`` gives the one canonical spelling."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final, NoReturn

from domain.kernel.values import Keyword, Value
from domain.rtfs.nodes import Literal, MapNode, Node, Symbol, VectorNode
from domain.rtfs.printer import print_value
from domain.rtfs.reader import read
from domain.rtfs.source import LocatedError, ReadError, Source, Span
from domain.rtfs.spelling import nearest
from domain.rtfs.types.model import (
    ANY,
    NIL,
    PRIMITIVES,
    Enum,
    Field,
    Function,
    MapOf,
    Predicate,
    Record,
    Refined,
    Tuple,
    Type,
    Union,
    Val,
    Vector,
)
from domain.rtfs.types.patterns import pattern_problem

_ALIASES: Final = {"integer": "int", "boolean": "bool", "str": "string", "number": None, "map": None, "vector": None}

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


@lru_cache(maxsize=4096)  # the same few types are read for every run, and a type never changes
def parse_type(text: str) -> Type:
    """Read one type. Raises ``ReadError`` with the place and a hint."""
    source = Source(text)
    nodes = read(text)
    if len(nodes) != 1:
        raise ReadError(f"one type is expected, {len(nodes)} are here", source, Span(0, len(text)))
    return type_of_node(nodes[0], source)


def type_of_node(node: Node, source: Source, error: type[LocatedError] = ReadError) -> Type:
    """Give the type that a node of a program spells; what is no type raises ``error``."""
    return _Parser(source, error).read_type(node)


def union(*members: Type) -> Type:
    """Join types: flattened, without doubles, in canonical order; a single member is itself."""
    flat: dict[str, Type] = {}
    for member in members:
        parts = member.members if isinstance(member, Union) else (member,)
        flat.update((print_type(part), part) for part in parts if part != PRIMITIVES["never"])
    if ":any" in flat:
        return ANY
    if not flat:
        return PRIMITIVES["never"]
    ordered = tuple(flat[text] for text in sorted(flat, key=lambda text: (text == ":nil", text)))
    return ordered[0] if len(ordered) == 1 else Union(ordered)


class _Parser:
    def __init__(self, source: Source, error: type[LocatedError]) -> None:
        self.source = source
        self.error = error

    def read_type(self, node: Node) -> Type:
        if isinstance(node, Literal) and isinstance(node.value, Keyword):
            return self.read_primitive(node.value.name, node)
        if isinstance(node, Symbol):
            return self.read_primitive(node.name, node)
        if isinstance(node, VectorNode) and node.items:
            head = node.items[0]
            if isinstance(head, Literal) and isinstance(head.value, Keyword):
                return self.read_compound(head.value.name, node)
        if isinstance(node, Literal) and node.value is None:
            return NIL
        return self.fail("this is no type", node, "types are :int, :string, [:vector :int], [:map [:name :string]], …")

    def read_primitive(self, name: str, node: Node) -> Type:
        optional = name.endswith("?") and len(name) > 1
        base = name[:-1] if optional else name
        found = PRIMITIVES.get(base)
        if found is None:
            near = _ALIASES.get(base) or nearest(base, PRIMITIVES)
            hint = f"did you mean :{near}?" if near else "known are " + " ".join(f":{known}" for known in PRIMITIVES)
            if base == "number":
                hint = "write [:union :int :float]"
            if base in ("map", "vector"):
                hint = f"write [:{base} …] with what it holds, or :any"
            self.fail(f":{base} is no type", node, hint)
        return union(found, NIL) if optional else found

    def read_compound(self, name: str, node: VectorNode) -> Type:
        read_compound = _COMPOUNDS.get(name)
        if read_compound is None:
            near = nearest(name, _COMPOUNDS)
            known = " ".join(f"[:{known} …]" for known in _COMPOUNDS)
            self.fail(f"[:{name} …] is no type", node.items[0], f"did you mean [:{near} …]?" if near else known)
        return read_compound(self, node, node.items[1:])

    def exactly(self, count: int, node: VectorNode, arguments: tuple[Node, ...], shape: str) -> None:
        if len(arguments) != count:
            self.fail(f"{shape} takes {count}, here are {len(arguments)}", node, f"write {shape}")

    def read_vector(self, node: VectorNode, arguments: tuple[Node, ...]) -> Type:
        self.exactly(1, node, arguments, "[:vector T]")
        return Vector(self.read_type(arguments[0]))

    def read_tuple(self, _node: VectorNode, arguments: tuple[Node, ...]) -> Type:
        return Tuple(tuple(self.read_type(argument) for argument in arguments))

    def read_map_of(self, node: VectorNode, arguments: tuple[Node, ...]) -> Type:
        self.exactly(2, node, arguments, "[:map-of K V]")
        return MapOf(self.read_type(arguments[0]), self.read_type(arguments[1]))

    def read_union(self, node: VectorNode, arguments: tuple[Node, ...]) -> Type:
        if not arguments:
            self.fail("[:union …] has no members", node, "write [:union A B]")
        return union(*(self.read_type(argument) for argument in arguments))

    def read_enum(self, node: VectorNode, arguments: tuple[Node, ...]) -> Type:
        if not arguments:
            self.fail("[:enum …] has no values", node, 'write [:enum "a" "b"]')
        values = {print_value(value): value for value in map(self.literal, arguments)}
        return Enum(tuple(values[text] for text in sorted(values)))

    def read_val(self, node: VectorNode, arguments: tuple[Node, ...]) -> Type:
        self.exactly(1, node, arguments, "[:val x]")
        return Val(self.literal(arguments[0]))

    def read_function(self, node: VectorNode, arguments: tuple[Node, ...]) -> Type:
        self.exactly(2, node, arguments, "[:fn [A B] R]")
        if not isinstance(arguments[0], VectorNode):
            self.fail("the parameters of a function type stand in brackets", arguments[0], "write [:fn [A & B] R]")
        fixed: list[Type] = []
        rest: Type | None = None
        items = arguments[0].items
        for index, item in enumerate(items):
            if isinstance(item, Symbol) and item.name == "&":
                if index != len(items) - 2:
                    self.fail("`&` is followed by exactly one type", item, "write [:fn [A & B] R]")
                rest = self.read_type(items[-1])
                break
            fixed.append(self.read_type(item))
        return Function(tuple(fixed), rest, self.read_type(arguments[1]))

    def read_record(self, _node: VectorNode, arguments: tuple[Node, ...]) -> Type:
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
        """Give key, type, whether it is required and the place of each field: ``[:k T ?]`` or ``{:k T}``."""
        pairs: list[tuple[Node, Node, bool]] = []
        if isinstance(node, VectorNode) and len(node.items) in (2, 3):
            mark = node.items[2] if len(node.items) == 3 else None
            if mark is not None and not (isinstance(mark, Symbol) and mark.name == "?"):
                self.fail("only `?` may follow the type of a field", mark, "write [:key T] or [:key T ?]")
            pairs.append((node.items[0], node.items[1], mark is None))
        elif isinstance(node, MapNode):
            pairs.extend((key, value, True) for key, value in node.pairs)
        else:
            self.fail("this is no field", node, "a field is [:key T], or [:key T ?] when it may be absent")
        return [(self.key(key), value, required, key) for key, value, required in pairs]

    def key(self, node: Node) -> str:
        if not (isinstance(node, Literal) and isinstance(node.value, Keyword)):
            self.fail("the key of a field is a keyword", node, "for other keys write [:map-of K V]")
        return node.value.name

    def read_refined(self, node: VectorNode, arguments: tuple[Node, ...]) -> Type:
        if not arguments:
            self.fail("[:and …] has no type", node, "write [:and :int [:> 0]]")
        predicates = tuple(self.predicate(argument) for argument in arguments[1:])
        base = self.read_type(arguments[0])
        if isinstance(base, Refined):
            predicates += base.predicates
            base = base.base
        unique = {str(predicate): predicate for predicate in predicates}
        return Refined(base, tuple(unique[text] for text in sorted(unique))) if unique else base

    def predicate(self, node: Node) -> Predicate:
        if not (isinstance(node, VectorNode) and node.items and isinstance(node.items[0], Literal)):
            self.fail("this is no predicate", node, 'predicates are [:> 0], [:min-length 1], [:matches-regex "a+"], …')
        head = node.items[0]
        name = head.value.name if isinstance(head, Literal) and isinstance(head.value, Keyword) else ""
        if name not in PREDICATE_ARITY:
            self.fail(
                "this predicate is not known", head, "known are " + " ".join(f":{key}" for key in PREDICATE_ARITY)
            )
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
        return self.fail("a literal is expected here", node)

    def fail(self, message: str, node: Node, hint: str | None = None) -> NoReturn:
        raise self.error(message, self.source, node.span, hint)


_COMPOUNDS: Final[dict[str, Callable[[_Parser, VectorNode, tuple[Node, ...]], Type]]] = {
    "vector": _Parser.read_vector,
    "tuple": _Parser.read_tuple,
    "map": _Parser.read_record,
    "map-of": _Parser.read_map_of,
    "union": _Parser.read_union,
    "enum": _Parser.read_enum,
    "val": _Parser.read_val,
    "fn": _Parser.read_function,
    "=>": _Parser.read_function,
    "and": _Parser.read_refined,
}


def print_type(given: Type) -> str:
    """Give the canonical spelling of a type: equal types have equal text, and ``parse_type`` reads it back."""
    return str(given)
