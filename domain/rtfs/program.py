"""From source to a program that can be stored, signed and run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from domain.kernel.values import digest_bytes
from domain.rtfs.bytecode.encoding import encode_module
from domain.rtfs.bytecode.module import interface_hash
from domain.rtfs.bytecode.source_map import SourceMap
from domain.rtfs.capability import Capability, EffectMode
from domain.rtfs.compiler.analysis import Analyzer
from domain.rtfs.compiler.assembly import Assembly
from domain.rtfs.compiler.expressions import Expression
from domain.rtfs.compiler.flow import check_types
from domain.rtfs.compiler.folding import fold_program
from domain.rtfs.compiler.forms import FORMS
from domain.rtfs.compiler.linking import Linker
from domain.rtfs.compiler.problems import Problems, told_with
from domain.rtfs.compiler.scope import Definition, Scope
from domain.rtfs.compiler.top_level import link_top
from domain.rtfs.metadata import Delegation, Description
from domain.rtfs.modules import Import, Resolver
from domain.rtfs.nodes import Node, Symbol
from domain.rtfs.reader import read
from domain.rtfs.source import CompileError, ReadError, Source, Span
from domain.rtfs.types import ANY, Type

__all__ = ["CompileError", "Effect", "Program", "ReadError", "compile_program", "interface_hash"]


@dataclass(frozen=True, slots=True)
class Effect:
    """A capability that a program may call, and what calling it may do."""

    name: str
    version: str
    mode: EffectMode


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled program."""

    module: bytes
    digest: str
    """``sha256:…`` of the module: its address."""
    interface_hash: str
    effects: tuple[Effect, ...]
    """Sorted by name; nothing else can happen when it runs."""
    output: Type
    source_map: SourceMap
    gives: Type = ANY
    """What the text gives, as far as that is known before it runs."""
    delegations: tuple[Delegation, ...] = ()
    """In the order of the text."""
    descriptions: tuple[Description, ...] = ()
    """What the text tells of its definitions, in its order."""
    imports: tuple[Import, ...] = ()
    """The modules whose texts it was compiled with, by name; what is not used of them is not in it."""


def compile_program(
    source: str,
    *,
    parameters: Mapping[str, Type],
    output: Type | None,
    capabilities: Mapping[str, Capability],
    modules: Resolver | None = None,
    fold: bool = True,
) -> Program:
    """Compile a program whose free names are ``parameters``; its imports are looked up with ``modules``.

    With ``fold``, what is known before the program runs is worked out; what it gives, and what it asks, does not
    depend on that. Without ``output`` the program may give any value. Raises ``ReadError`` or ``CompileError``, both
    of which show the place (``render``).
    """
    text = Source(source)
    nodes = read(source)
    if not nodes:
        raise CompileError("the program is empty", text, Span(0, 0), "write one expression whose value is the result")
    analyzer = Analyzer(text, capabilities, FORMS)
    try:
        return _compile(analyzer, nodes, dict(sorted(parameters.items())), output, modules, fold=fold)
    except CompileError as error:
        for each in (error, *error.others):
            analyzer.texts.locate(each)
        if not error.others:
            told_with(error, _others(text, nodes, dict(sorted(parameters.items())), capabilities, modules))
        raise
    except RecursionError as problem:
        whole = Span(nodes[0].span.start, nodes[-1].span.end)
        raise CompileError("the program is nested too deeply", text, whole, "name inner parts with `let`") from problem


def _others(
    text: Source,
    nodes: tuple[Node, ...],
    parameters: dict[str, Type],
    capabilities: Mapping[str, Capability],
    modules: Resolver | None,
) -> list[CompileError]:
    """Analyse a program that is wrong once more, going on behind what is wrong; give all that was found."""
    analyzer = Analyzer(text, capabilities, FORMS)
    problems = analyzer.problems = Problems(nodes)
    try:
        _analysed(analyzer, nodes, parameters, modules)
    except CompileError as error:
        problems.found.append(error)
    except RecursionError:
        return []
    for each in problems.found:
        analyzer.texts.locate(each)
    return problems.found


def _analysed(
    analyzer: Analyzer, nodes: tuple[Node, ...], parameters: dict[str, Type], modules: Resolver | None
) -> tuple[Definition, Linker, Expression]:
    """Resolve the names of a program: give its main function, its modules and its body."""
    main = Definition("", None, None)
    scope = Scope(main)
    for name, type_ in parameters.items():
        main.parameters.append(scope.bind(Symbol(name, Span(0, 0)), type_))
    linker = Linker(analyzer, main, modules)
    left = link_top(analyzer, linker, nodes, scope)
    whole = Span(nodes[0].span.start, nodes[-1].span.end)
    return main, linker, analyzer.body(left, scope, whole)


def _compile(
    analyzer: Analyzer,
    nodes: tuple[Node, ...],
    parameters: dict[str, Type],
    output: Type | None,
    modules: Resolver | None,
    *,
    fold: bool,
) -> Program:
    main, linker, body = _analysed(analyzer, nodes, parameters, modules)
    # What is wrong in a module is told even where nothing of it is used.
    main.body = linker.linked(body, whole=True)
    gives = check_types(analyzer, main, output, nodes[-1].span)
    main.body = linker.linked(body)
    if fold:
        fold_program(main)
    parts, source_map = Assembly(analyzer.source, analyzer.texts).module(main, tuple(parameters.items()), output or ANY)
    module = encode_module(parts)
    notes = analyzer.notes
    return Program(
        module=module,
        digest=digest_bytes(module),
        interface_hash=interface_hash(parameters, output),
        effects=tuple(Effect(each.name, each.version, each.mode) for each in parts.effects),
        output=output or ANY,
        source_map=source_map,
        gives=gives,
        delegations=tuple(
            replace(notes.delegations[span], span=analyzer.texts.local(span)) for span in sorted(notes.delegations)
        ),
        descriptions=tuple(
            replace(notes.descriptions[span], span=analyzer.texts.local(span)) for span in sorted(notes.descriptions)
        ),
        imports=linker.imports,
    )
