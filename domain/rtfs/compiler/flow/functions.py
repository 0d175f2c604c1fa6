"""Functions: their bodies for arguments of known types, and what applying a value gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from domain.kernel.values import Keyword
from domain.rtfs.compiler.expressions import Constant, Expression, LibraryFunction, MakeFunction, Read, Sibling
from domain.rtfs.compiler.flow.conditions import Knowledge, at, of_kind
from domain.rtfs.compiler.flow.reading import entry
from domain.rtfs.compiler.scope import Definition, Variable
from domain.rtfs.functions import Entry
from domain.rtfs.source import Related, Span
from domain.rtfs.types import ANY, NEVER, Function, MapOf, Record, Type, Vector
from domain.rtfs.types.narrowing import falsy, general, join, truthy
from domain.rtfs.types.outline import outline
from domain.rtfs.types.relation import fits

ROUNDS: Final = 4
"""How often a body is looked at anew until the types that go round in it stay the same: the last time, they are any."""

MAX_INSTANCES: Final = 12
"""How many calls of functions of one program are looked at with the types of their arguments."""

MAX_OPEN: Final = 16
"""Functions that call one another and are looked at at once: chains of calls may be long, the walk is not deep."""


class Problem(NamedTuple):
    """What a program cannot be accepted with, and where."""

    message: str
    span: Span
    hint: str | None
    related: Related | None


class Functions(Knowledge):
    """What is known of functions: their bodies are looked at again for what they are given."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        """How many calls are looked at with the types of their arguments."""
        self.problems: list[Problem] = []
        self.functions: dict[Variable, Definition] = {}
        """Variables that hold a function whose body can be looked at."""
        self.results: dict[Definition, Type] = {}
        self.open: dict[Definition, bool] = {}
        """Functions that are being looked at, and whether they were seen to call themselves."""
        self.frames: list[list[Type] | None] = []
        """What `recur` gave so far, for the loops and functions around this place."""
        self.settled: dict[object, Type] = {}
        """Types that went round, as they were when it last came to rest: they only ever grow."""
        self.instances: dict[tuple[Definition, tuple[Type, ...]], Type] = {}
        self.early = 0
        """How many functions were looked at before their turn."""
        self.calls: dict[Definition, list[Problem | None]] = {}
        """For each function, the first problem of every kind of call: there is none, or it is not known."""

    def infer(self, expression: Expression) -> Type:
        """Give the type of an expression, and note its problems."""
        raise NotImplementedError

    def library(self, entry: Entry, types: Sequence[Type], given: Sequence[Expression], span: Span) -> Type:
        """Give the type of what a function of the library gives."""
        raise NotImplementedError

    def read_key(self, collection: Type, key: Any, span: Span) -> Type:
        """Give the type of what is under a key, and note when it cannot be there."""
        raise NotImplementedError

    def problem(self, message: str, span: Span, hint: str | None = None, related: Related | None = None) -> None:
        """Note what the program cannot be accepted with."""
        self.problems.append(Problem(message, span, hint, related))

    def applied(self, function: Expression | None, type_: Type, types: Sequence[Type]) -> Type:
        """Give the type of what a function value gives for arguments of these types."""
        if isinstance(function, MakeFunction):
            return self.enter(function.definition, types, function.span)
        if isinstance(function, LibraryFunction):
            return self._library_value(function.entry, types, function.span)
        if isinstance(function, Constant):
            return self._constant(function, types)
        definition = self.definition(function)
        if definition is not None and function is not None:
            return self.instance(definition, types, function.span)
        if isinstance(type_, MapOf | Record):
            return entry(type_)
        return type_.result if isinstance(type_, Function) else ANY

    def definition(self, function: Expression | None) -> Definition | None:
        """Give the definition of the function that an expression stands for, when it is known."""
        if isinstance(function, Sibling):
            return function.definition
        return self.functions.get(function.variable) if isinstance(function, Read) else None

    def _library_value(self, entry: Entry, types: Sequence[Type], span: Span) -> Type:
        if not entry.accepts(len(types)):
            self.problem(f"`{entry.name}` takes {entry.arity()} and is given {len(types)} here", span)
            return ANY
        return self.library(entry, types, (), span)

    def _constant(self, function: Constant, types: Sequence[Type]) -> Type:
        if isinstance(function.value, Keyword) and len(types) == 1:
            return self.read_key(types[0], function.value, function.span)
        return ANY

    def enter(self, definition: Definition, given: Sequence[Type] | None, span: Span) -> Type:
        """Look at the body of a function for arguments of these types (``None``: any that it takes)."""
        parameters = definition.parameters
        if given is not None and not self.takes(definition, len(given), span):
            given = None
        for place, parameter in enumerate(parameters):
            self.types[parameter] = parameter.type if given is None else given[place]
        variables = list(parameters)
        if definition.rest is not None:
            rest = definition.rest
            self.types[rest] = rest.type if given is None else Vector(join(*given[len(parameters) :]))
            variables.append(rest)
        group = definition.group
        if group is not None:
            for place, variable in definition.inner.items():
                self.hold(variable, group.sources[place])
        body = definition.body
        assert body is not None
        outer = self.open.get(definition)
        self.open[definition] = False
        result = self.turns(variables, definition, lambda: self.infer(body))
        if outer is None:
            del self.open[definition]
        else:
            self.open[definition] = outer
        return result

    def takes(self, definition: Definition, count: int, span: Span) -> bool:
        """Note when a function is given another number of arguments than it takes."""
        least = len(definition.parameters)
        if count == least or (count > least and definition.rest is not None):
            return True
        more = "at least " if definition.rest is not None else ""
        self.problem(f"the function takes {more}{least} arguments and is given {count} here", span)
        return False

    def hold(self, variable: Variable, value: Expression) -> None:
        """Let a variable have the type of a value, and remember where the value came from."""
        self.types[variable] = self.infer(value)
        definition = self.definition(value) if not isinstance(value, MakeFunction) else value.definition
        if definition is not None:
            self.functions[variable] = definition

    def turns(self, variables: Sequence[Variable], definition: Definition | None, walk: Callable[[], Type]) -> Type:
        """Look at a body until the types that `recur` and recursion bring back to its beginning stay the same."""
        for variable in variables:
            if variable in self.settled:
                self.types[variable] = join(self.types[variable], self.settled[variable])
        mark = len(self.problems)
        for turn in range(ROUNDS):
            self.frames.append(None)
            result = walk()
            given = self.frames.pop()
            grown = given is not None and self._grown(variables, given, turn)
            if definition is not None:
                grown = self._recursed(definition, result, turn) or grown
            if not grown:
                break
            del self.problems[mark:]
        return result

    def _grown(self, variables: Sequence[Variable], given: list[Type], turn: int) -> bool:
        """Add what came back to the types of the variables; beyond the first turns, only roughly."""
        grown = False
        for variable, came in zip(variables, given, strict=True):
            known = self.types[variable]
            if not fits(came, known):
                grown = True
                self.types[variable] = self.settled[variable] = widened(join(known, came), turn)
        return grown

    def _recursed(self, definition: Definition, result: Type, turn: int) -> bool:
        """Note the result of a function that calls itself; tell whether its callers have counted with less."""
        known = self.results.get(definition, NEVER)
        calls_itself = self.open.get(definition, False)
        if not calls_itself:
            self.results[definition] = result
            return False
        if fits(result, known):
            return False
        self.results[definition] = widened(join(known, result), turn)
        return True

    def settle(self, first: Type, turn: Callable[[Type], Type], key: object) -> Type:
        """Give a type that stays the same when what a turn makes of it is added."""
        so_far = join(first, self.settled.get(key, NEVER))
        mark = len(self.problems)
        for number in range(ROUNDS):
            came = turn(so_far)
            if fits(came, so_far):
                break
            del self.problems[mark:]
            so_far = widened(join(so_far, came), number)
        self.settled[key] = so_far
        return so_far

    def instance(self, definition: Definition, types: Sequence[Type], span: Span) -> Type:
        """Give what a function gives for these arguments, which it is given at a place."""
        if definition in self.open:
            self.open[definition] = True
            return self.results.get(definition, NEVER)
        usual = self.results.get(definition)
        count = len(definition.parameters)
        fitting = len(types) == count or (len(types) > count and definition.rest is not None)
        key = (definition, tuple(types))
        if key in self.instances:
            return self.instances[key]
        calls = self.calls.setdefault(definition, [])
        too_many = len(self.instances) >= self.most or len(self.open) >= MAX_OPEN
        if not fitting or all(each is ANY for each in types) or too_many:
            calls.append(None)
            return self._early(definition) if usual is None else usual
        mark = len(self.problems)
        self.instances[key] = self.enter(definition, types, Span(0, 0))
        self.results.pop(definition, None)
        if usual is not None:
            self.results[definition] = usual
        # Its own problems were noted where it stands; further ones come of what it is given here.
        first = None
        if len(self.problems) > mark:
            given = Related(span, f"it is given {', '.join(map(outline, types))} here")
            first = self.problems[mark]._replace(related=given)
        calls.append(first)
        del self.problems[mark:]
        return self.instances[key]

    def _early(self, definition: Definition) -> Type:
        """Look at a function that is called before the walk comes to it, as those are that call one another."""
        if self.early >= self.most:
            return ANY
        self.early += 1
        mark = len(self.problems)
        result = self.enter(definition, None, Span(0, 0))
        del self.problems[mark:]
        if any(self.open.values()):
            # It counted with what is not known yet of a function around it.
            self.results.pop(definition, None)
        return result

    def found(self) -> Sequence[Problem]:
        """Give the problems of the program: those of functions too that no call of them is without."""
        called = [each[0] for each in self.calls.values() if each and all(each)]
        return [*self.problems, *[each for each in called if each is not None]]

    def kept(self, function: Expression | None, type_: Type, item: Type, *, truth: bool) -> Type:
        """Give the type of the items for which a function gives something true, or something that is not."""
        self.applied(function, type_, [item])
        if isinstance(function, LibraryFunction):
            narrow = of_kind(function.entry.name, truth=truth)
            return item if narrow is None else narrow(item)
        if isinstance(function, Constant) and isinstance(function.value, Keyword):
            return at(item, (function.value.name,), truthy if truth else falsy)
        if isinstance(function, MakeFunction) and len(function.definition.parameters) == 1:
            mark = len(self.log)
            parameter, body = function.definition.parameters[0], function.definition.body
            assert body is not None
            self.types[parameter] = item
            self.assume(body, truth=truth)
            found = self.types[parameter]
            self.forget(mark)
            return found
        return item


def widened(grown: Type, turn: int) -> Type:
    """Give a type that has grown, more roughly with every turn, so that it soon stays the same."""
    return grown if turn == 0 else general(grown) if turn == 1 else ANY
