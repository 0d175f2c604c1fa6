"""The walk through an analysed program in the order in which it runs, with what is known of every value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from domain.kernel.values import Keyword
from domain.rtfs.compiler.expressions import (
    AllOf,
    AnyOf,
    Bind,
    Call,
    Cast,
    Choose,
    Constant,
    Effect,
    Expression,
    LibraryCall,
    Loop,
    MakeFunction,
    MakeMap,
    MakeVector,
    Parallel,
    Read,
    Recur,
    Sibling,
    SiblingCall,
    Step,
    Test,
    Try,
)
from domain.rtfs.compiler.expressions import Sequence as SequenceExpression
from domain.rtfs.compiler.flow.applied import Applied
from domain.rtfs.compiler.flow.building import record
from domain.rtfs.compiler.flow.checks import CALLABLE, argument_problem, declared, misspelt, unfit
from domain.rtfs.compiler.flow.conditions import tested_cast
from domain.rtfs.compiler.flow.functions import Functions
from domain.rtfs.compiler.flow.reading import entry as read
from domain.rtfs.compiler.flow.results import RULES, function_places
from domain.rtfs.compiler.scope import Definition
from domain.rtfs.functions import Entry
from domain.rtfs.source import Related, Span
from domain.rtfs.types import ANY, BOOL, NEVER, NIL, Field, Function, MapOf, Tuple, Type, Vector, union
from domain.rtfs.types.narrowing import bounded, falsy, join, truthy
from domain.rtfs.types.outline import outline
from domain.rtfs.types.relation import differ, fits


class Flow(Functions):
    """One program while the types of its values are followed."""

    def infer(self, expression: Expression) -> Type:
        """Give the type of an expression, and note its problems."""
        if isinstance(expression, Read):
            return self.types.get(expression.variable) or expression.variable.type
        infer = self._INFERENCES.get(type(expression))
        return expression.type if infer is None else infer(self, expression)

    def inferred(self, expressions: Sequence[Expression]) -> list[Type]:
        """Give the types of expressions that run one after the other."""
        known, infer = self.types, self.infer
        # Most are variables and constants, which need no call of their own.
        return [
            known.get(each.variable) or each.variable.type
            if isinstance(each, Read)
            else each.type
            if isinstance(each, Constant)
            else infer(each)
            for each in expressions
        ]

    def expect(
        self, place: str, expression: Expression, found: Type, expected: Type, related: Related | None = None
    ) -> None:
        """Note when a value cannot be of the type that its place asks for."""
        problem = unfit(expression, found, expected)
        if problem is not None:
            self.problem(f"{place}: {problem}", expression.span, None, related)

    def library(self, entry: Entry, types: Sequence[Type], given: Sequence[Expression], span: Span) -> Type:
        """Give the type of what a function of the library gives, and note arguments that it cannot take."""
        found = argument_problem(entry, types)
        if found is not None:
            place, problem = found
            where = given[place].span if place < len(given) else span
            self.problem(f"`{entry.name}`, argument {place + 1}: {problem}", where)
            return entry.type.result
        rule = RULES.get(entry.name)
        result = None if rule is None else rule(Applied(self, entry, types, given))
        return entry.type.result if result is None else result

    def read_key(self, collection: Type, key: Any, span: Span) -> Type:
        """Give the type of what is under a key, and note when it cannot be there."""
        found = misspelt(collection, key)
        if found is not None:
            self.problem(found[0], span, found[1])
            return ANY
        return read(collection, key)

    def _library_call(self, expression: LibraryCall) -> Type:
        entry, arguments = expression.entry, expression.arguments
        places = function_places(entry.name, len(arguments))
        if not places:
            types = self.inferred(arguments)
        else:
            # A function that is written out waits for the types of what it is given.
            types = [
                ANY if isinstance(each, MakeFunction) and place in places else self.infer(each)
                for place, each in enumerate(arguments)
            ]
        if entry.name == "get" and len(types) == 2:
            key = arguments[1]
            if isinstance(key, Constant) and argument_problem(entry, types) is None:
                return self.read_key(types[0], key.value, key.span)
        return self.library(entry, types, arguments, expression.span)

    def _call(self, expression: Call) -> Type:
        function = expression.function
        type_ = ANY if type(function) is MakeFunction else self.infer(function)
        types = self.inferred(expression.arguments)
        definition = self.definition(function)
        if definition is not None:
            return self._defined(definition, expression, types)
        self.expect_callable(type_, function)
        if isinstance(type_, Function):
            for place, (argument, found) in enumerate(zip(expression.arguments, types, strict=True)):
                expected = type_.parameters[place] if place < len(type_.parameters) else type_.rest
                self.expect(f"argument {place + 1}", argument, found, ANY if expected is None else expected)
        return self.applied(function, type_, types)

    def expect_callable(self, type_: Type, function: Expression) -> None:
        """Note when what is called certainly is no function."""
        if differ(type_, CALLABLE) is not None:
            hint = f"functions, keywords and maps can be called; this is {outline(type_)}"
            self.problem("this cannot be called", function.span, hint)

    def _sibling_call(self, expression: SiblingCall) -> Type:
        return self._defined(expression.definition, expression, self.inferred(expression.arguments))

    def _defined(self, definition: Definition, call: Call | SiblingCall, types: Sequence[Type]) -> Type:
        """Apply a function of the program: what it is given must be of the types that it declares."""
        name = f"`{definition.name}`, " if definition.name else ""
        for place, (parameter, argument, found) in enumerate(
            zip(definition.parameters, call.arguments, types, strict=False), start=1
        ):
            if parameter.type is not ANY:
                where = f"{name}argument {place} (`{parameter.name}`)"
                self.expect(where, argument, found, parameter.type, declared(definition, parameter))
        return self.instance(definition, types, call.span)

    def _function(self, expression: MakeFunction) -> Type:
        definition = expression.definition
        result = self.enter(definition, None, expression.span)
        rest = None if definition.rest is None else ANY
        return Function(tuple([each.type for each in definition.parameters]), rest, result)

    def _sibling(self, expression: Sibling) -> Type:
        definition = expression.definition
        rest = None if definition.rest is None else ANY
        return Function(tuple([each.type for each in definition.parameters]), rest, ANY)

    def _effect(self, expression: Effect) -> Type:
        effect = expression.effect
        for number, argument in expression.arguments:
            parameter = effect.parameters[number]
            expected = parameter.type if parameter.required else union(parameter.type, NIL)
            self.expect(f"`{effect.name}`, argument `{parameter.name}`", argument, self.infer(argument), expected)
        return effect.result

    def _vector(self, expression: MakeVector) -> Type:
        types = self.inferred(expression.items)
        return bounded(Tuple(tuple(types))) if types else Vector(NEVER)

    def _map(self, expression: MakeMap) -> Type:
        fields: dict[str, Field] = {}
        keys: list[Type] = []
        values: list[Type] = []
        for key, value in expression.pairs:
            keys.append(self.infer(key))
            values.append(self.infer(value))
            if isinstance(key, Constant) and isinstance(key.value, Keyword):
                fields[key.value.name] = Field(key.value.name, values[-1])
        if len(fields) < len(keys):
            return bounded(MapOf(join(*keys), join(*values)))
        return record(fields, NEVER)

    def _choose(self, expression: Choose) -> Type:
        outer = len(self.log)
        bodies: list[Type] = []
        for clause in expression.clauses:
            mark = len(self.log)
            tests: list[Expression] = []
            for step in clause.steps:
                if type(step) is Test:
                    self.infer(step.condition)
                    self.assume(step.condition, truth=True)
                    tests.append(step.condition)
                else:
                    assert isinstance(step, Bind)
                    self._bind(step)
            bodies.append(self.infer(clause.body))
            self.forget(mark)
            if tests:
                self._assume_not(tests)
        if expression.otherwise is not None:
            bodies.append(self.infer(expression.otherwise))
        self.forget(outer)
        return bodies[0] if len(bodies) == 1 else join(*bodies)

    def _bind(self, step: Bind) -> None:
        variable, value = step.variable, step.value
        if type(value) is MakeFunction:
            self.functions[variable] = value.definition
            self.types[variable] = self._function(value)
            return
        self.hold(variable, value)
        path = self.path(value)
        if path is not None:
            self.aliases[variable] = path

    def _assume_not(self, tests: Sequence[Expression]) -> None:
        """Note that a clause was not taken: of the tests that may fail, that is known when there is only one."""
        uncertain = [each for each in tests if len(tests) == 1 or not self._certain(each)]
        if len(uncertain) == 1:
            self.assume(uncertain[0], truth=False)

    def _certain(self, condition: Expression) -> bool:
        mark = len(self.log)
        self.assume(condition, truth=False)
        certain = any(self.types[variable] is NEVER for variable, _ in self.log[mark:])
        self.forget(mark)
        return certain

    def _all_or_any(self, expression: AllOf | AnyOf) -> Type:
        mark = len(self.log)
        together = type(expression) is AllOf
        types: list[Type] = []
        *others, last = expression.items
        for each in others:
            found = self.infer(each)
            types.append(falsy(found) if together else truthy(found))
            self.assume(each, truth=together)
        types.append(self.infer(last))
        self.forget(mark)
        return join(*types)

    def _sequence(self, expression: SequenceExpression) -> Type:
        return self.inferred(expression.items)[-1]

    def _loop(self, expression: Loop) -> Type:
        for variable, first in zip(expression.variables, expression.first, strict=True):
            self.types[variable] = self.infer(first)
        return self.turns(expression.variables, None, lambda: self.infer(expression.body))

    def _recur(self, expression: Recur) -> Type:
        types = self.inferred(expression.values)
        before = self.frames[-1]
        self.frames[-1] = types if before is None else list(map(join, before, types))
        return NEVER

    def _attempt(self, expression: Try) -> Type:
        cast = tested_cast(expression)
        if cast is not None:
            self.infer(cast.value)
            return BOOL
        body = self.infer(expression.body)
        return join(body, self.infer(expression.handler))

    def _cast(self, expression: Cast) -> Type:
        found = self.infer(expression.value)
        expected = expression.type
        problem = unfit(expression.value, found, expected)
        if problem is not None:
            self.problem(f"{expression.reason}: {problem}" if expression.reason else problem, expression.value.span)
        return found if fits(found, expected) else expected

    def _parallel(self, expression: Parallel) -> Type:
        return Tuple(tuple([self._lane(each) for each in expression.lanes]))

    def _lane(self, lane: Expression) -> Type:
        return self.enter(lane.definition, (), lane.span) if isinstance(lane, MakeFunction) else ANY

    def _step(self, expression: Step) -> Type:
        return self.infer(expression.body)

    _INFERENCES: ClassVar[dict[type, Callable[[Flow, Any], Type]]] = {
        LibraryCall: _library_call,
        Call: _call,
        SiblingCall: _sibling_call,
        MakeFunction: _function,
        Sibling: _sibling,
        Effect: _effect,
        MakeVector: _vector,
        MakeMap: _map,
        Choose: _choose,
        AllOf: _all_or_any,
        AnyOf: _all_or_any,
        SequenceExpression: _sequence,
        Loop: _loop,
        Recur: _recur,
        Try: _attempt,
        Cast: _cast,
        Parallel: _parallel,
        Step: _step,
    }
    """How each kind of expression is looked at; the others know their type."""
