"""Which methods of the package change nothing: a conservative proof over their source, ``write`` when in doubt.

A method is ``read`` when nothing in it, or in any method of its module that it reaches, can store into an object that
it did not make itself. It is ``pure`` when it also never looks at its instance or at the clock. The steps:

1. An assignment to an attribute, and a ``global``, is a change.
2. An assignment to an item is a change unless the container is a local name bound to fresh containers only.
3. A call is harmless if it is a listed function, a listed method of the built-in types, or a method of the module
   that is harmless itself. A method that changes its receiver (``append``, ...) needs a fresh local receiver.
4. Every other call is a change.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeGuard

Effects = Literal["pure", "read", "write"]

_FUNCTIONS: Final = frozenset(
    {
        "abs",
        "all",
        "any",
        "bool",
        "deepcopy",
        "dict",
        "enumerate",
        "float",
        "int",
        "isinstance",
        "len",
        "list",
        "max",
        "min",
        "range",
        "reversed",
        "round",
        "set",
        "sorted",
        "str",
        "sum",
        "tuple",
        "zip",
        "Decimal",
        "ValueError",
    }
)
_METHODS: Final = frozenset(
    {
        "copy",
        "encode",
        "endswith",
        "format",
        "get",
        "isdigit",
        "items",
        "join",
        "keys",
        "lower",
        "replace",
        "rstrip",
        "split",
        "splitlines",
        "sqrt",
        "startswith",
        "strftime",
        "strip",
        "upper",
        "values",
        "zfill",
    }
)
_CHANGING: Final = frozenset({"add", "append", "extend", "update"})
_MODULES: Final = frozenset({"math", "mpmath", "datetime"})
_CLOCK: Final = frozenset({"now", "today"})
_PRECISION: Final = frozenset({"logarithm", "square_root"})
"""They set a precision that they alone use, at once; ``World.call`` puts it back."""

_Function = ast.FunctionDef


@dataclass(frozen=True, slots=True)
class Finding:
    """What a method may do."""

    effects: Effects
    reads_clock: bool


def examine(path: Path, class_name: str) -> dict[str, Finding]:
    """Judge every public method of a class of this module."""
    tree = ast.parse(path.read_bytes())
    classes = {node.name: _methods(node) for node in tree.body if isinstance(node, ast.ClassDef)}
    by_name: dict[str, list[_Function]] = {}
    for methods in classes.values():
        for method in methods:
            by_name.setdefault(method.name, []).append(method)
    return {method.name: _judge(method, by_name) for method in classes[class_name] if not method.name.startswith("_")}


def _methods(node: ast.ClassDef) -> list[_Function]:
    return [item for item in node.body if isinstance(item, ast.FunctionDef)]


def _judge(method: _Function, by_name: dict[str, list[_Function]]) -> Finding:
    reached = _reached(method, by_name)
    proofs = [_Proof(function, by_name) for function in reached]
    reads_clock = any(proof.reads_clock for proof in proofs)
    if method.name not in _PRECISION and any(proof.changes for proof in proofs):
        return Finding("write", reads_clock)
    looks = reads_clock or any(proof.looks_at_instance for proof in proofs)
    return Finding("read" if looks else "pure", reads_clock)


def _reached(method: _Function, by_name: dict[str, list[_Function]]) -> list[_Function]:
    """The method and every method of the module that it may call, by name."""
    found, open_ = [method], [method]
    while open_:
        for node in ast.walk(open_.pop()):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                for callee in by_name.get(node.func.attr, ()):
                    if callee not in found:
                        found.append(callee)
                        open_.append(callee)
    return found


class _Proof:
    """The steps of the module's docstring, for one function's own body."""

    def __init__(self, function: _Function, by_name: dict[str, list[_Function]]) -> None:
        self.by_name = by_name
        self.nodes = list(ast.walk(function))
        self.nested = {node.name for node in self.nodes if isinstance(node, ast.FunctionDef)}
        self.fresh = {name for name in self._bound() if self._is_fresh(name)}
        self.deep = {name for name in self.fresh if self._is_deep(name)}
        self.changes = any(self._changes(node) for node in self.nodes)
        self.reads_clock = any(isinstance(node, ast.Attribute) and node.attr in _CLOCK for node in self.nodes)
        self.looks_at_instance = any(
            isinstance(node, ast.Attribute) and _is_name(node.value, "self") and node.attr not in by_name
            for node in self.nodes
        )

    def _bound(self) -> set[str]:
        return {node.id for node in self.nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}

    def _bindings(self, name: str) -> Iterator[ast.expr | None]:
        """What a name is bound to; None where it is bound in any way but by a plain assignment."""
        assigned = 0
        for node in self.nodes:
            if _binds(node, name):
                assigned += 1
                yield node.value
            elif isinstance(node, ast.arg) and node.arg == name:
                yield None
        stores = sum(_is_name(node, name) and isinstance(node.ctx, ast.Store) for node in self.nodes)  # type: ignore[attr-defined]
        if stores != assigned:
            yield None

    def _is_fresh(self, name: str) -> bool:
        return all(value is not None and _makes_container(value) for value in self._bindings(name))

    def _is_deep(self, name: str) -> bool:
        """Whether the items of a fresh container are fresh too: only displays were ever put in."""
        bound = all(value is not None and _is_literal(value) for value in self._bindings(name))
        stored = [
            node.value
            for node in self.nodes
            if isinstance(node, ast.Assign) and any(_is_item_of(target, name) for target in node.targets)
        ]
        changed = any(
            isinstance(node, ast.Attribute) and node.attr in _CHANGING and _is_name(node.value, name)
            for node in self.nodes
        )
        return bound and not changed and all(isinstance(value, ast.List | ast.Dict | ast.Constant) for value in stored)

    def _changes(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Global | ast.Nonlocal | ast.Delete | ast.Yield | ast.YieldFrom):
            return True
        if isinstance(node, ast.Attribute):
            return not isinstance(node.ctx, ast.Load)
        if isinstance(node, ast.Subscript):
            return not isinstance(node.ctx, ast.Load) and not self._is_fresh_name(node.value)
        if isinstance(node, ast.AugAssign):
            # Division and the like make new numbers; `+=` could extend a list in place.
            return isinstance(node.op, ast.Add | ast.BitOr) and not isinstance(node.value, ast.Constant)
        if isinstance(node, ast.Call):
            return not self._is_harmless(node)
        return False

    def _is_harmless(self, call: ast.Call) -> bool:
        function = call.func
        if isinstance(function, ast.Name):
            return function.id in _FUNCTIONS or function.id in self.nested
        if not isinstance(function, ast.Attribute):
            return False
        if function.attr in _CHANGING:
            receiver = function.value
            if isinstance(receiver, ast.Subscript):
                return isinstance(receiver.value, ast.Name) and receiver.value.id in self.deep
            return self._is_fresh_name(receiver)
        # A method of the module is judged where it stands: see `_reached`.
        return function.attr in self.by_name or function.attr in _METHODS or _is_of_module(function)

    def _is_fresh_name(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id in self.fresh


def _binds(node: ast.AST, name: str) -> TypeGuard[ast.Assign | ast.AnnAssign]:
    if isinstance(node, ast.Assign):
        return len(node.targets) == 1 and _is_name(node.targets[0], name)
    return isinstance(node, ast.AnnAssign) and node.value is not None and _is_name(node.target, name)


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _is_item_of(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Subscript) and _is_name(node.value, name)


def _is_of_module(function: ast.Attribute) -> bool:
    return isinstance(function.value, ast.Name) and function.value.id in _MODULES


def _makes_container(node: ast.expr) -> bool:
    if isinstance(node, ast.Call):
        function = node.func
        copies = isinstance(function, ast.Attribute) and function.attr == "copy"
        return copies or (isinstance(function, ast.Name) and function.id in {"dict", "list", "set", "sorted"})
    return isinstance(node, ast.Dict | ast.DictComp | ast.List | ast.ListComp | ast.Set | ast.SetComp)


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except ValueError:
        return False
    return True
