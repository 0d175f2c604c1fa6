"""Assembly: the functions of a program and the tables that they share, as one module and its source map."""

from __future__ import annotations

from typing import Final

from domain.kernel.values import Keyword, Value, canonical
from domain.rtfs.bytecode.module import LANGUAGE, Constant, EffectSignature, FunctionCode, ModuleParts
from domain.rtfs.bytecode.operations import OPERANDS
from domain.rtfs.bytecode.source_map import LocalName, SourceMap
from domain.rtfs.compiler.generation import Generator
from domain.rtfs.compiler.scope import Definition
from domain.rtfs.compiler.texts import Texts
from domain.rtfs.source import Source
from domain.rtfs.types import Type, print_type


class Assembly:
    """One module while it is made. Tables grow in the order of first use; sorted ones are put in order at the end."""

    def __init__(self, source: Source, texts: Texts) -> None:
        self.source = source
        self.texts = texts
        self.definitions: list[tuple[Definition, str | None]] = []
        self.numbers: dict[Definition, int] = {}
        self.pool: dict[bytes, tuple[int, Value]] = {}
        self.scalars: dict[tuple[type, Value], Constant] = {}
        """Places of strings and keywords, which are most of what is in the pool."""
        self.names: dict[str, int] = {}
        self.effects: dict[str, tuple[int, EffectSignature]] = {}
        self.types: dict[str, tuple[int, Type]] = {}

    def number(self, definition: Definition, step: str | None) -> int:
        """Give the number of a function; a new one will be generated."""
        if definition not in self.numbers:
            self.numbers[definition] = len(self.definitions)
            self.definitions.append((definition, step))
        return self.numbers[definition]

    def value(self, value: Value) -> Constant:
        """Give the place of a value in the pool."""
        kind = type(value)
        known = self.scalars.get((kind, value)) if kind is str or kind is Keyword else None
        if known is not None:
            return known
        place = Constant(self.pool.setdefault(canonical(value), (len(self.pool), value))[0])
        if kind is str or kind is Keyword:
            self.scalars[kind, value] = place
        return place

    def library(self, name: str) -> int:
        """Give the number of a function of the library."""
        return self.names.setdefault(name, len(self.names))

    def effect(self, effect: EffectSignature) -> int:
        """Give the number of a capability in the effect row."""
        return self.effects.setdefault(effect.name, (len(self.effects), effect))[0]

    def type(self, given: Type) -> int:
        """Give the number of a type."""
        return self.types.setdefault(print_type(given), (len(self.types), given))[0]

    def module(
        self, main: Definition, parameters: tuple[tuple[str, Type], ...], output: Type
    ) -> tuple[ModuleParts, SourceMap]:
        """Generate everything that the program reaches."""
        self.number(main, None)
        functions: list[FunctionCode] = []
        positions: list[tuple[int, int]] = []
        steps: list[str | None] = []
        modules: list[str | None] = []
        names: list[LocalName] = []
        # The list grows while functions refer to further ones.
        for definition, step in self.definitions:
            generator = Generator(self, definition, self.source, step)
            functions.append(generator.code())
            names.extend(generator.naming.locals(len(positions), generator.place))
            for span, within in generator.places:
                positions.append(self.texts.position(span.start))
                steps.append(within)
                modules.append(self.texts.module(span.start))
        library = sorted(self.names)
        effects = sorted(self.effects)
        renumbered = _Renumbering(
            {self.names[name]: place for place, name in enumerate(library)},
            {self.effects[name][0]: place for place, name in enumerate(effects)},
        )
        parts = ModuleParts(
            language=LANGUAGE,
            parameters=parameters,
            output=output,
            effects=tuple(self.effects[name][1] for name in effects),
            types=tuple(given for _, given in self.types.values()),
            library=tuple(library),
            constants=tuple(value for _, value in self.pool.values()),
            functions=tuple(renumbered.function(code) for code in functions),
        )
        return parts, SourceMap(
            tuple(positions),
            tuple(steps) if any(steps) else (),
            tuple(definition.name for definition, _ in self.definitions),
            tuple(names),
            _runs(modules),
        )


def _runs(modules: list[str | None]) -> tuple[tuple[str, int, int], ...]:
    """Put together sites that follow one another and come from the same module."""
    found: list[tuple[str, int, int]] = []
    for site, module in enumerate(modules):
        if module is None:
            continue
        if found and found[-1][0] == module and found[-1][2] == site:
            found[-1] = (module, found[-1][1], site + 1)
        else:
            found.append((module, site, site + 1))
    return tuple(found)


_RENUMBERED: Final = {
    int(operation): (place, kind)
    for operation, kinds in OPERANDS.items()
    for place, kind in enumerate(kinds, start=1)
    if kind in ("library", "effect")
}
"""Operations that refer to a sorted table: with which operand, and to which."""


class _Renumbering:
    """Puts the final numbers of sorted tables into code."""

    def __init__(self, library: dict[int, int], effects: dict[int, int]) -> None:
        self.tables = {"library": library, "effect": effects}
        self.library = library

    def function(self, code: FunctionCode) -> FunctionCode:
        constants = tuple(
            Constant(self.library[each.place], library=True) if each.library else each for each in code.constants
        )
        instructions = tuple(self.instruction(each) for each in code.instructions)
        return FunctionCode(
            code.parameters, code.rest, code.captures, constants, code.locals, code.handlers, instructions
        )

    def instruction(self, instruction: tuple[int, ...]) -> tuple[int, ...]:
        # Both kinds stand before any counted list, so that places are fixed.
        renumbered = _RENUMBERED.get(instruction[0])
        if renumbered is None:
            return instruction
        place, kind = renumbered
        return (*instruction[:place], self.tables[kind][instruction[place]], *instruction[place + 1 :])
