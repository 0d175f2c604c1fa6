"""The top of a program's text: its modules and imports, and what is left to run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from domain.rtfs.compiler.analysis import Analyzer
from domain.rtfs.compiler.body_items import Item
from domain.rtfs.compiler.definitions import function_text
from domain.rtfs.compiler.linking import Linker
from domain.rtfs.compiler.module_text import ModuleText, head_of, import_texts, module_text
from domain.rtfs.compiler.scope import Scope
from domain.rtfs.nodes import ListNode, Node, Symbol, VectorNode

_DEFINING: Final = frozenset({"def", "defn", "defmacro", "defstruct", "deftype"})


def link_top(analyzer: Analyzer, linker: Linker, nodes: Sequence[Node], scope: Scope) -> list[Node]:
    """Take in the modules of a program, and give the forms that are left.

    A text that is one module is a program too: it gives what its last expression gives, or else its `main`.
    """
    texts = [module_text(analyzer, node) for node in nodes if head_of(node) == "module"]
    if texts and len(nodes) == 1:
        linker.bring_in(analyzer, texts[0].imports, scope)
        return _running(analyzer, texts[0])
    for text in texts:
        linker.add_local(analyzer, text)
    for node in nodes:
        if head_of(node) == "import":
            linker.bring_in(analyzer, import_texts(analyzer, node), scope)
    left = [node for node in nodes if head_of(node) not in ("module", "import")]
    if not left:
        analyzer.fail("the program only imports", nodes[-1].span, "write one expression whose value is the result")
    return left


def _running(analyzer: Analyzer, text: ModuleText) -> list[Node]:
    """Give what a module does when it is run."""
    if text.body and Item(text.body[-1]).head not in _DEFINING:
        return text.body
    for node in text.body:
        if Item(node).head != "defn":
            continue
        main = function_text(analyzer, node)
        if main.name.name != "main":
            continue
        parameters = main.items[0] if main.items else None
        takes = len(parameters.items) if isinstance(parameters, VectorNode) else 1
        arguments = (Symbol("inputs", main.name.span),) if takes else ()
        return [*text.body, ListNode((main.name, *arguments), main.name.span)]
    return analyzer.fail(
        f"the module `{text.name}` does nothing when it is run",
        text.span,
        "end it with an expression, or define (defn main [inputs] …); or import it from a program",
    )
