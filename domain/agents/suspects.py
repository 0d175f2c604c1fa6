"""A look at an agent's source for what makes two executions differ. It advises; a replay proves."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

_CLOCK: Final = "await ctx.now()"
_CHANCE: Final = "await ctx.random()"
_IDENTITY: Final = "await ctx.uuid()"
_LANES: Final = "await ctx.parallel(…)"
_WORLD: Final = "a tool, await ctx.call(…)"
_INPUTS: Final = "the task's inputs"

FUNCTIONS: Final[Mapping[str, str]] = {
    "time.sleep": "await ctx.sleep(seconds)",
    "datetime.datetime.now": _CLOCK, "datetime.datetime.utcnow": _CLOCK, "datetime.datetime.today": _CLOCK,
    "datetime.date.today": _CLOCK,
    "uuid.uuid1": _IDENTITY, "uuid.uuid4": _IDENTITY,
    "os.urandom": _CHANCE, "os.getrandom": _CHANCE,
    "os.environ": _INPUTS, "os.getenv": _INPUTS, "os.getpid": _INPUTS, "sys.argv": _INPUTS,
    "os.listdir": _WORLD, "os.scandir": _WORLD,
}  # fmt: skip
"""Full name -> what to use instead."""

MODULES: Final[Mapping[str, str]] = {
    "time": _CLOCK, "random": _CHANCE, "secrets": _CHANCE,
    "socket": _WORLD, "subprocess": _WORLD, "urllib.request": _WORLD, "httpx": _WORLD, "requests": _WORLD,
    "asyncio": _LANES, "threading": _LANES, "concurrent.futures": _LANES, "multiprocessing": _LANES,
}  # fmt: skip
"""Module, of which everything is suspect -> what to use instead."""

BUILT_IN: Final[Mapping[str, str]] = {
    "open": _WORLD, "id": "a name of your own", "hash": "hashlib, which is the same in every process"
}  # fmt: skip

IN_GENERAL: Final = (
    "an agent takes time, chance and the world only from ctx (ctx.now, ctx.random, ctx.uuid, ctx.call), goes through "
    "sets with sorted(…), and branches only with ctx.parallel"
)


@dataclass(frozen=True, slots=True)
class Suspect:
    """A place at which two executions may differ."""

    line: int
    what: str
    instead: str

    def __str__(self) -> str:
        """One clause."""
        return f"line {self.line} uses {self.what}: use {self.instead} instead"


_ORDERED: Final = frozenset({"list", "tuple", "next", "iter", "enumerate"})


def suspects(source: str) -> tuple[Suspect, ...]:
    """The usual ones in a module's text, in the order of lines; none where it cannot be read."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return ()
    names = dict(_imports(tree))
    found: dict[tuple[int, str], Suspect] = {}
    for node in ast.walk(tree):
        if (suspect := _suspect(node, names)) is not None:
            found.setdefault((suspect.line, suspect.instead), suspect)
    return tuple(sorted(found.values(), key=lambda each: (each.line, each.what)))


def _imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Local name -> full name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".")[0]
                yield (alias.asname, alias.name) if alias.asname else (top, top)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def _suspect(node: ast.AST, names: Mapping[str, str]) -> Suspect | None:
    if isinstance(node, ast.For | ast.comprehension) and _is_set(node.iter):
        return Suspect(node.iter.lineno, "the order of a set", "sorted(…)")
    if isinstance(node, ast.Call) and node.args and _is_set(node.args[0]) and _called(node) in _ORDERED:
        return Suspect(node.lineno, "the order of a set", "sorted(…)")
    if not isinstance(node, ast.Attribute | ast.Name) or not isinstance(node.ctx, ast.Load):
        return None
    full = _full_name(node, names)
    if full is None:
        return None
    if full in BUILT_IN:
        return Suspect(node.lineno, f"{full}(…)", BUILT_IN[full])
    if full in FUNCTIONS:
        return Suspect(node.lineno, full, FUNCTIONS[full])
    module = next((name for name in MODULES if full.startswith(f"{name}.")), None)
    return Suspect(node.lineno, full, MODULES[module]) if module is not None else None


def _called(node: ast.Call) -> str | None:
    return node.func.id if isinstance(node.func, ast.Name) else None


def _is_set(node: ast.expr) -> bool:
    return isinstance(node, ast.Set | ast.SetComp) or (
        isinstance(node, ast.Call) and _called(node) in ("set", "frozenset")
    )


def _full_name(node: ast.expr, names: Mapping[str, str]) -> str | None:
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id if node.id in BUILT_IN else None)
    if isinstance(node, ast.Attribute):
        owner = _full_name(node.value, names)
        return None if owner is None else f"{owner}.{node.attr}"
    return None
