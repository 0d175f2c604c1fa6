"""The texts of `module`, `import` and `export` taken apart, in all their spellings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from domain.kernel.values import Keyword
from domain.rtfs.compiler.analysis import Analyzer
from domain.rtfs.nodes import ListNode, Literal, Node, Symbol, VectorNode
from domain.rtfs.source import Span

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_IMPORT: Final = "(import math.utils :as m), (import math.utils :only [add]) or (import [math.utils :as m])"
_MODULE: Final = "(module math.utils (:exports [add]) (defn add [a b] (+ a b)))"


@dataclass(frozen=True, slots=True)
class ImportText:
    """One module that is imported."""

    name: str
    alias: str
    """Before the names of the module, as ``m/add``; its own name when it has no other."""
    only: tuple[Symbol, ...]
    """Names that are also known without the alias."""
    digest: str | None
    span: Span


@dataclass(slots=True)
class ModuleText:
    """One module."""

    name: str
    span: Span
    exports: list[Symbol] = field(default_factory=list)
    all_exported: bool = True
    """Whether it says nothing of exports, or exports all."""
    imports: list[ImportText] = field(default_factory=list)
    body: list[Node] = field(default_factory=list)


def head_of(node: Node) -> str:
    """Give the name that a list begins with."""
    if not (isinstance(node, ListNode) and node.items):
        return ""
    head = node.items[0]
    if isinstance(head, Literal) and isinstance(head.value, Keyword):
        return f":{head.value.name}"
    return head.name if isinstance(head, Symbol) else ""


def module_text(analyzer: Analyzer, node: Node) -> ModuleText:
    """Take ``(module name …)`` apart."""
    assert isinstance(node, ListNode)
    name = node.items[1] if len(node.items) > 1 else node
    if not isinstance(name, Symbol):
        analyzer.fail("`module` takes a name", name.span, _MODULE)
    text = ModuleText(name.name, node.span)
    for item in node.items[2:]:
        head = head_of(item)
        if head in (":exports", "export"):
            _read_exports(analyzer, item, text)
        elif head == "import":
            text.imports.extend(import_texts(analyzer, item))
        elif head == "module":
            analyzer.fail("a module within a module", item.span, "let one of them import the other")
        elif not (isinstance(item, Literal) and isinstance(item.value, str) and not text.body):
            text.body.append(item)
    return text


def _read_exports(analyzer: Analyzer, node: Node, text: ModuleText) -> None:
    assert isinstance(node, ListNode)
    given = node.items[1:]
    if len(given) == 1 and isinstance(given[0], VectorNode):
        given = given[0].items
    if len(given) == 1 and isinstance(given[0], Literal) and given[0].value is Keyword("all"):
        return
    text.all_exported = False
    for each in given:
        if not isinstance(each, Symbol):
            analyzer.fail("exports are names", each.span, "(:exports [add multiply]) or (export add multiply)")
        text.exports.append(each)


def import_texts(analyzer: Analyzer, node: Node) -> list[ImportText]:
    """Take ``(import …)`` apart: one module, or several in brackets."""
    assert isinstance(node, ListNode)
    parts = node.items[1:]
    if parts and all(isinstance(part, VectorNode) for part in parts):
        return [_import(analyzer, part.items, part.span) for part in parts if isinstance(part, VectorNode)]
    return [_import(analyzer, parts, node.span)]


def _import(analyzer: Analyzer, parts: Sequence[Node], span: Span) -> ImportText:
    name = parts[0] if parts else None
    if not isinstance(name, Symbol):
        analyzer.fail("`import` takes the name of a module", span if name is None else name.span, _IMPORT)
    alias, digest = name.name, None
    only: tuple[Symbol, ...] = ()
    options = parts[1:]
    if len(options) % 2:
        analyzer.fail("this option has no value", options[-1].span, _IMPORT)
    for key, value in zip(options[::2], options[1::2], strict=True):
        option = key.value.name if isinstance(key, Literal) and isinstance(key.value, Keyword) else ""
        if option == "as" and isinstance(value, Symbol):
            alias = value.name
        elif option in ("only", "refer") and isinstance(value, VectorNode):
            only += _names(analyzer, value)
        elif option == "digest" and isinstance(value, Literal) and isinstance(value.value, str):
            digest = value.value
            if not _DIGEST.fullmatch(digest):
                analyzer.fail("this is no digest", value.span, '"sha256:" and 64 hexadecimal digits')
        else:
            analyzer.fail("this is no option of `import`", key.span, f"{_IMPORT}; :digest pins the text")
    return ImportText(name.name, alias, only, digest, name.span)


def _names(analyzer: Analyzer, node: VectorNode) -> tuple[Symbol, ...]:
    names: list[Symbol] = []
    for item in node.items:
        if not isinstance(item, Symbol):
            analyzer.fail("this is no name", item.span, "(import math.utils :only [add multiply])")
        names.append(item)
    return tuple(names)
