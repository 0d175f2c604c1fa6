"""What a text imports, read off it without compiling; and all the modules that it needs, put together."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from domain.rtfs.compiler.linking import MAX_MODULES
from domain.rtfs.compiler.module_text import head_of
from domain.rtfs.modules import ModuleMissing, Resolver
from domain.rtfs.nodes import ListNode, Node, Symbol, VectorNode
from domain.rtfs.reader import read

_DEFINING: Final = frozenset({"def", "defn", "defmacro", "defstruct"})


def imported_names(text: str) -> tuple[str, ...]:
    """Names of the modules that a program or module takes from outside, in its order. Raises ``ReadError``."""
    nodes = read(text)
    own = {_name(node) for node in nodes if head_of(node) == "module"} if len(nodes) > 1 else set()
    return tuple(dict.fromkeys(name for node in nodes for name in _imports(node) if name not in own))


def defined_names(text: str) -> tuple[str, ...]:
    """Names that a module defines and does not annotate, as private ones are, in its order. Raises ``ReadError``."""
    inner = [part for node in read(text) if head_of(node) == "module" for part in _parts(node)]
    return tuple(name for part in inner if head_of(part) in _DEFINING and (name := _name(part)) is not None)


def gathered(text: str, resolver: Resolver) -> dict[str, str]:
    """Texts by name of all the modules that a program needs, those that modules import included.

    Raises ``ReadError``, and ``ModuleMissing`` where one is not to be had or there are too many.
    """
    found: dict[str, str] = {}
    waiting = deque((name, "the plan") for name in imported_names(text))
    while waiting:
        name, asker = waiting.popleft()
        if name in found:
            continue
        source = resolver(name)
        if source is None:
            raise ModuleMissing(f"the module `{name}`, which {asker} imports, is not found")
        if len(found) >= MAX_MODULES:
            raise ModuleMissing(f"more than {MAX_MODULES} modules are imported")
        found[name] = source.text
        waiting.extend((each, f"`{name}`") for each in imported_names(source.text))
    return found


def check_module(name: str, modules: Mapping[str, str]) -> None:
    """Refuse a text that is no module of this name, or that imports what is not among these texts.

    Raises ``ReadError``, ``ModuleMissing``.
    """
    nodes = read(modules[name])
    if len(nodes) != 1 or head_of(nodes[0]) != "module" or _name(nodes[0]) != name:
        raise ModuleMissing(f"the text is no module of this name; it should be (module {name[:80]} …)")
    for each in imported_names(modules[name]):
        if each not in modules:
            raise ModuleMissing(f"it imports `{each[:80]}`, which is not among the modules: add its text")


def _imports(node: Node) -> Iterator[str]:
    head = head_of(node)
    if head == "module":
        for part in _parts(node):
            yield from _imports(part) if head_of(part) == "import" else ()
    elif head == "import":
        parts = _parts(node, 1)
        each = [part.items for part in parts if isinstance(part, VectorNode)] if _are_vectors(parts) else [parts]
        yield from (given[0].name for given in each if given and isinstance(given[0], Symbol))


def _are_vectors(parts: Sequence[Node]) -> bool:
    return all(isinstance(part, VectorNode) for part in parts)


def _parts(node: Node, start: int = 2) -> Sequence[Node]:
    assert isinstance(node, ListNode), "it has a head"
    return node.items[start:]


def _name(node: Node) -> str | None:
    name = next(iter(_parts(node, 1)), None)
    return name.name if isinstance(name, Symbol) else None
