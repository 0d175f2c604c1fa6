"""Modules put together with the program that imports them: each is taken once, and only what is used stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NoReturn

from domain.rtfs.compiler.analysis import Analyzer
from domain.rtfs.compiler.destructuring import Steps
from domain.rtfs.compiler.expressions import Bind, Choose, Clause, Expression
from domain.rtfs.compiler.module_body import ModuleBody
from domain.rtfs.compiler.module_text import ImportText, ModuleText, head_of, module_text
from domain.rtfs.compiler.purity import needed
from domain.rtfs.compiler.scope import Binding, Definition, Scope, Special
from domain.rtfs.modules import Import, ModuleMissing, ModuleSource, Resolver
from domain.rtfs.nodes import Node, Symbol, shifted
from domain.rtfs.reader import read
from domain.rtfs.source import ReadError, Source, Span
from domain.rtfs.spelling import nearest

MAX_MODULES: Final = 200
MAX_CHARACTERS: Final = 2_000_000
"""Of all modules of one program."""

MAX_CHAIN: Final = 40
"""Modules that import one another in a row."""


@dataclass(slots=True)
class Unit:
    """A module that was taken in."""

    name: str
    digest: str | None
    """``None`` for one that stands in the program's own text."""
    exports: dict[str, Binding] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    """Names that it has and does not export."""

    def refuse(self, analyzer: Analyzer, name: str, span: Span) -> NoReturn:
        """Say why it does not give a name."""
        known = ", ".join(sorted(self.exports)) or "nothing"
        near = nearest(name, self.exports)
        meant = f"did you mean `{near}`? " if near else ""
        if name in self.hidden:
            analyzer.fail(f"the module `{self.name}` does not export its `{name}`", span, f"it exports {known}")
        analyzer.fail(f"the module `{self.name}` has no `{name}`", span, f"{meant}it exports {known}")


class Linker:
    """The modules of one program."""

    def __init__(self, analyzer: Analyzer, main: Definition, resolver: Resolver | None) -> None:
        self.main = main
        self.texts = analyzer.texts
        self.resolver = resolver
        self.local: dict[str, ModuleText] = {}
        self.units: dict[str, Unit] = {}
        self.path: list[str] = []
        self.steps: Steps = []
        self.characters = 0

    @property
    def imports(self) -> tuple[Import, ...]:
        """The modules that were taken from outside, by name."""
        units = (self.units[name] for name in sorted(self.units))
        return tuple(Import(unit.name, unit.digest) for unit in units if unit.digest is not None)

    def add_local(self, analyzer: Analyzer, text: ModuleText) -> None:
        """Know a module that stands in the program's own text."""
        if text.name in self.local:
            analyzer.fail(f"the module `{text.name}` is there twice", text.span)
        self.local[text.name] = text

    def bring_in(self, analyzer: Analyzer, imports: Sequence[ImportText], scope: Scope) -> None:
        """Let a scope see what is imported."""
        for given in imports:
            unit = self.unit(analyzer, given)
            if given.alias in analyzer.aliases:
                analyzer.fail(
                    f"two modules are called `{given.alias}` here", given.span, f"(import {given.name} :as …)"
                )
            analyzer.aliases[given.alias] = unit
            for name, binding in unit.exports.items():
                scope.put(Symbol(f"{given.alias}/{name}", given.span), binding)
            for symbol in given.only:
                if symbol.name not in unit.exports:
                    unit.refuse(analyzer, symbol.name, symbol.span)
                if symbol.name in scope.names:
                    analyzer.fail(f"`{symbol.name}` is imported twice", symbol.span)
                scope.put(symbol, unit.exports[symbol.name])
                asked = Symbol(f"{symbol.name}?", symbol.span)
                if isinstance(unit.exports[symbol.name], Special) and asked.name in unit.exports:
                    scope.put(asked, unit.exports[asked.name])

    def unit(self, analyzer: Analyzer, given: ImportText) -> Unit:
        """Give a module, taking it in when it is met first."""
        # Modules of the program's own text are its own: no imported module sees them.
        is_local = analyzer.module is None and given.name in self.local
        name = f"{given.name} here" if is_local else given.name
        if name in self.path:
            circle = " → ".join([*self.path[self.path.index(name) :], name])
            analyzer.fail(
                f"modules import one another in a circle: {circle}", given.span, "move what both need to a third"
            )
        if name not in self.units:
            if len(self.path) >= MAX_CHAIN or len(self.units) >= MAX_MODULES:
                limits = f"at most {MAX_CHAIN} in a row and {MAX_MODULES} in all"
                analyzer.fail(f"too many modules are imported: {limits}", given.span)
            self.path.append(name)
            taken = self.take_local(analyzer, given) if is_local else self.take_in(analyzer, given)
            self.units[name] = taken
            self.path.pop()
        unit = self.units[name]
        if given.digest is not None and given.digest != unit.digest:
            hint = "the text has changed since the import was pinned: look at it, then pin the new digest"
            analyzer.fail(
                f"the module `{given.name}` is {unit.digest or 'part of this text'}, not what is pinned",
                given.span,
                hint,
            )
        return unit

    def take_local(self, analyzer: Analyzer, given: ImportText) -> Unit:
        """Analyse a module of the program's own text."""
        return self.define(analyzer.for_module(None), self.local[given.name], None)

    def take_in(self, analyzer: Analyzer, given: ImportText) -> Unit:
        """Read and analyse a module."""
        source = self.found(analyzer, given)
        nodes = self.read(analyzer, given.name, source.text, given.span)
        inner = analyzer.for_module(given.name)
        if len(nodes) != 1 or head_of(nodes[0]) != "module":
            analyzer.fail(
                f"the text of `{given.name}` is no module", given.span, f"it should be (module {given.name} …)"
            )
        text = module_text(inner, nodes[0])
        if text.name != given.name:
            analyzer.fail(f"the text of `{given.name}` is the module `{text.name}`", given.span)
        return self.define(inner, text, source.digest)

    def found(self, analyzer: Analyzer, given: ImportText) -> ModuleSource:
        """Look a module up."""
        hint = "no modules are given here" if self.resolver is None else "no module of this name is given"
        try:
            source = self.resolver(given.name) if self.resolver is not None else None
        except ModuleMissing as problem:
            source, hint = None, str(problem)
        if source is not None:
            return source
        known = f"; modules of this text are {', '.join(sorted(self.local))}" if self.local else ""
        return analyzer.fail(f"the module `{given.name}` is not found", given.span, f"{hint}{known}")

    def read(self, analyzer: Analyzer, name: str, text: str, span: Span) -> tuple[Node, ...]:
        """Read the text of a module; its places begin where the texts before it end."""
        self.characters += len(text)
        if self.characters > MAX_CHARACTERS:
            analyzer.fail(f"the modules of this program have more than {MAX_CHARACTERS} characters", span)
        source = Source(text, name)
        try:
            nodes = read(text)
        except ReadError as error:
            # A new one: that it is unfinished says nothing of the program.
            raise ReadError(error.message, source, error.span, error.hint, error.related) from error
        start = self.texts.add(source)
        return tuple(shifted(node, start) for node in nodes)

    def define(self, analyzer: Analyzer, text: ModuleText, digest: str | None) -> Unit:
        """Analyse the definitions of a module."""
        scope = Scope(self.main)
        self.bring_in(analyzer, text.imports, scope)
        imported = set(scope.names)
        body = ModuleBody(analyzer, scope, self.steps)
        body.define(text.body)
        unit = Unit(text.name, digest)
        own = {key: binding for key, binding in scope.names.items() if isinstance(key, str)}
        if text.all_exported:
            unit.exports = {name: own[name] for name in own if name not in imported and name not in body.private}
        for symbol in text.exports:
            if symbol.name not in own:
                near = nearest(symbol.name, own)
                hint = f"did you mean `{near}`?" if near else None
                analyzer.fail(f"`{symbol.name}` is exported, but not defined", symbol.span, hint)
            unit.exports[symbol.name] = own[symbol.name]
            asked = f"{symbol.name}?"
            if isinstance(own[symbol.name], Special) and asked in own:
                unit.exports[asked] = own[asked]
        unit.hidden = {name for name in own if name not in unit.exports and "/" not in name}
        return unit

    def linked(self, body: Expression, *, whole: bool = False) -> Expression:
        """Put what a program needs of its modules before it; or all of them."""
        steps = [step for step in self.steps if isinstance(step, Bind)]
        if steps and not whole:
            steps = needed(body, steps)
        if not steps:
            return body
        return Choose((Clause(tuple(steps), body),), None, body.span, body.type)
