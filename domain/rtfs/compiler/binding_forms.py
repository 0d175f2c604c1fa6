"""Forms that name values: `let`, destructuring, functions, definitions, loops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from domain.kernel.values import Keyword
from domain.rtfs.compiler.analysis import Analyzer
from domain.rtfs.compiler.expressions import (
    Bind,
    Cast,
    Choose,
    Clause,
    Constant,
    Expression,
    Loop,
    MakeFunction,
    Read,
    Recur,
    Test,
)
from domain.rtfs.compiler.expressions import Sequence as SequenceExpression
from domain.rtfs.compiler.inference import literal_type
from domain.rtfs.compiler.scope import Definition, Group, Named, Scope, Variable
from domain.rtfs.functions import FUNCTIONS
from domain.rtfs.nodes import ListNode, Literal, MapNode, Node, ShorthandFn, Symbol, VectorNode
from domain.rtfs.source import CompileError, Span
from domain.rtfs.types import (
    ANY,
    NEVER,
    NIL,
    PRIMITIVES,
    Function,
    Record,
    Tuple,
    Type,
    Vector,
    print_type,
    type_of_node,
    union,
)
from domain.rtfs.types.relation import conflict

Steps = list[Test | Bind]

_A_VECTOR: Final = union(Vector(ANY), NIL)
_A_MAP: Final = union(Record(()), NIL)


def let(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``(let [pattern value …] body…)``."""
    if len(node.items) < 3 or not isinstance(node.items[1], VectorNode):
        analyzer.fail("`let` takes bindings in brackets and a body", node.span, "(let [x 1 y 2] (+ x y))")
    inner = scope.inner()
    steps: Steps = []
    for pattern, annotation, value in bindings(analyzer, node.items[1]):
        bind_value(analyzer, pattern, annotation, analyzer.expression(value, inner), inner, steps)
    body = analyzer.body(node.items[2:], inner, node.span)
    return Choose((Clause(tuple(steps), body),), None, node.span, body.type)


def bindings(analyzer: Analyzer, node: VectorNode) -> list[tuple[Node, Type | None, Node]]:
    """Cut bindings into pattern, annotation and value; an annotation is a type between the two."""
    items = node.items
    found: list[tuple[Node, Type | None, Node]] = []
    place = 0
    annotated = _annotations(analyzer, items)
    while place < len(items):
        pattern = items[place]
        if not isinstance(pattern, Symbol | VectorNode | MapNode):
            analyzer.fail("this is no name", pattern.span, "bindings are [name value name value …]")
        annotation = annotated.get(place)
        width = 2 if annotation is None else 3
        if place + width > len(items):
            analyzer.fail("this name has no value", pattern.span, "bindings are [name value name value …]")
        found.append((pattern, annotation, items[place + width - 1]))
        place += width
    return found


def _annotations(analyzer: Analyzer, items: Sequence[Node]) -> dict[int, Type]:
    """Find where bindings are annotated: only where they cannot be read as plain pairs."""
    fits = [False] * (len(items) + 3)
    fits[len(items)] = True
    width: dict[int, int] = {}
    for place in range(len(items) - 2, -1, -1):
        if not isinstance(items[place], Symbol | VectorNode | MapNode):
            continue
        for each in (2, 3):
            if fits[place + each] and (each == 2 or is_type(analyzer, items[place + 1])):
                fits[place] = True
                width[place] = each
                break
    found: dict[int, Type] = {}
    place = 0
    while place in width and fits[0]:
        if width[place] == 3:
            found[place] = type_of_node(items[place + 1], analyzer.source, CompileError)
        place += width[place]
    return found


def is_type(analyzer: Analyzer, node: Node) -> bool:
    """Tell whether a node spells a type."""
    if isinstance(node, Literal):
        return isinstance(node.value, Keyword) and node.value.name.rstrip("?") in PRIMITIVES
    if not (isinstance(node, VectorNode) and node.items and isinstance(node.items[0], Literal)):
        return False
    try:
        type_of_node(node, analyzer.source, CompileError)
    except CompileError:
        return False
    return True


def bind_value(
    analyzer: Analyzer, pattern: Node, annotation: Type | None, value: Expression, scope: Scope, steps: Steps
) -> None:
    """Bind a value to a pattern; with an annotation, a checked cast stands before it."""
    if annotation is not None:
        problem = conflict(value.type, annotation)
        if problem is not None:
            analyzer.fail(problem, value.span)
        value = Cast(value, value.span, annotation)
    bind(analyzer, pattern, value, scope, steps)


def bind(analyzer: Analyzer, pattern: Node, value: Expression, scope: Scope, steps: Steps) -> None:
    """Add the steps that bind a value to a name or take it apart."""
    if isinstance(pattern, Symbol):
        check_name(analyzer, pattern)
        if pattern.name == "_":
            steps.append(Bind(Variable("_", scope.definition, value.type), value))
            return
        variable = scope.bind(pattern.name, value.type)
        steps.append(Bind(variable, value))
    elif isinstance(pattern, VectorNode):
        _bind_vector(analyzer, pattern, value, scope, steps)
    elif isinstance(pattern, MapNode):
        _bind_map(analyzer, pattern, value, scope, steps)
    else:
        analyzer.fail("this is no name", pattern.span, "a name, [a b & rest] or {:keys [a b]}")


def check_name(analyzer: Analyzer, symbol: Symbol) -> None:
    """Refuse names that could not be read back."""
    if symbol.name == "&" or symbol.name.startswith("%") or "/" in symbol.name.strip("/"):
        analyzer.fail(f"`{symbol.name}` cannot be named here", symbol.span)


def hold(value: Expression, scope: Scope, steps: Steps) -> Read:
    """Keep a value in a variable without a name."""
    variable = Variable(" held", scope.definition, value.type)
    steps.append(Bind(variable, value))
    return Read(variable, value.span, value.type)


def _bind_vector(analyzer: Analyzer, pattern: VectorNode, value: Expression, scope: Scope, steps: Steps) -> None:
    problem = conflict(value.type, _A_VECTOR)
    if problem is not None:
        analyzer.fail(f"a vector is taken apart here: {problem}", value.span)
    known = isinstance(value.type, Vector | Tuple)
    held = hold(value if known else Cast(value, value.span, _A_VECTOR), scope, steps)
    items = list(pattern.items)
    place = 0
    while place < len(items):
        item = items[place]
        following = items[place + 1] if place + 1 < len(items) else None
        if isinstance(item, Symbol) and item.name == "&":
            if following is None:
                analyzer.fail("`&` is followed by a name", item.span, "[first & others]")
            count = Constant(place, item.span, literal_type(place))
            rest = analyzer.library_call(FUNCTIONS["drop"], (count, held), item.span)
            bind(analyzer, following, rest, scope, steps)
            del items[place : place + 2]
        elif isinstance(item, Literal) and item.value is Keyword("as") and following is not None:
            bind(analyzer, following, held, scope, steps)
            del items[place : place + 2]
        else:
            bind(analyzer, item, _part(analyzer, held, place, item.span), scope, steps)
            place += 1


def _part(analyzer: Analyzer, held: Read, key: Keyword | str | int, span: Span) -> Expression:
    return analyzer.library_call(FUNCTIONS["get"], (held, Constant(key, span, literal_type(key))), span)


def _bind_map(analyzer: Analyzer, pattern: MapNode, value: Expression, scope: Scope, steps: Steps) -> None:
    problem = conflict(value.type, _A_MAP)
    if problem is not None:
        analyzer.fail(f"a map is taken apart here: {problem}", value.span)
    known = isinstance(value.type, Record)
    held = hold(value if known else Cast(value, value.span, _A_MAP), scope, steps)
    defaults = _defaults(analyzer, pattern)
    for key, target in pattern.pairs:
        if isinstance(key, Literal) and isinstance(key.value, Keyword) and key.value.name in ("keys", "strs"):
            _bind_keys(analyzer, key.value.name, target, held, (defaults, scope, steps))
        elif isinstance(key, Literal) and key.value is Keyword("as"):
            bind(analyzer, target, held, scope, steps)
        elif isinstance(key, Literal) and key.value is Keyword("or"):
            continue
        elif isinstance(key, Symbol) and isinstance(target, Literal):
            _bind_key(analyzer, key, target, held, (defaults, scope, steps))
        elif isinstance(key, Literal):
            _bind_key(analyzer, target, key, held, (defaults, scope, steps))
        else:
            analyzer.fail("this is no entry of a pattern", key.span, "{:keys [a b]} or {:key name}")


Context = tuple[dict[str, Node], Scope, Steps]


def _defaults(analyzer: Analyzer, pattern: MapNode) -> dict[str, Node]:
    for key, target in pattern.pairs:
        if isinstance(key, Literal) and key.value is Keyword("or"):
            if not isinstance(target, MapNode):
                analyzer.fail(":or takes a map of names and defaults", target.span, "{:keys [a] :or {a 1}}")
            return {name.name: value for name, value in target.pairs if isinstance(name, Symbol)}
    return {}


def _bind_keys(analyzer: Analyzer, style: str, names: Node, held: Read, context: Context) -> None:
    if not isinstance(names, VectorNode):
        analyzer.fail(f":{style} takes names in brackets", names.span, f"{{:{style} [a b]}}")
    for name in names.items:
        if not isinstance(name, Symbol):
            analyzer.fail("this is no name", name.span, f"{{:{style} [a b]}}")
        key = Keyword(name.name) if style == "keys" else name.name
        _bind_key(analyzer, name, Literal(key, name.span), held, context)


def _bind_key(analyzer: Analyzer, target: Node, key: Literal, held: Read, context: Context) -> None:
    defaults, scope, steps = context
    if not isinstance(key.value, Keyword | str | int):
        analyzer.fail("a map key is a keyword, string or integer", key.span)
    value = _part(analyzer, held, key.value, target.span)
    if isinstance(target, Symbol) and target.name in defaults:
        default = analyzer.expression(defaults[target.name], scope)
        arguments = (held, Constant(key.value, key.span, literal_type(key.value)), default)
        value = analyzer.library_call(FUNCTIONS["get"], arguments, target.span)
    bind(analyzer, target, value, scope, steps)


def function(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``(fn name? [parameters] body…)``."""
    items = node.items[1:]
    name = items[0] if items and isinstance(items[0], Symbol) else None
    if name is not None:
        items = items[1:]
    inner = scope.inner()
    definition = Definition(name.name if name else "", scope.definition, Group(scope.definition))
    declare(analyzer, definition, items, node)
    if name is not None:
        check_name(analyzer, name)
        # Only its own body sees the name, and there it is a sibling of itself.
        inner.names[name.name] = Named(definition, Variable(name.name, scope.definition, signature(definition)))
    define(analyzer, definition, items, inner, node)
    return make(definition, node.span)


def make(definition: Definition, span: Span) -> MakeFunction:
    """Make the function value, once the whole group is analysed."""
    group = definition.group
    assert group is not None
    group.sources = tuple(group.owner.resolve(binding, span) for binding in group.captured)
    return MakeFunction(definition, span, signature(definition))


def signature(definition: Definition) -> Function:
    """Give the type of a function."""
    rest = ANY if definition.rest is not None else None
    return Function(tuple(parameter.type for parameter in definition.parameters), rest, definition.result)


def declare(analyzer: Analyzer, definition: Definition, items: Sequence[Node], node: ListNode) -> None:
    """Read the parameters, so that others may call the function before its body is analysed."""
    if not items or not isinstance(items[0], VectorNode) or len(items) < 2:
        analyzer.fail("a function takes parameters in brackets and a body", node.span, "(fn [x] (+ x 1))")
    for pattern, annotation, is_rest in _parameters(analyzer, items[0]):
        name = pattern.name if isinstance(pattern, Symbol) else " taken apart"
        variable = Variable(name, definition, annotation or (Vector(ANY) if is_rest else ANY))
        if is_rest:
            definition.rest = variable
        else:
            definition.parameters.append(variable)


def _parameters(analyzer: Analyzer, node: VectorNode) -> list[tuple[Node, Type | None, bool]]:
    found: list[tuple[Node, Type | None, bool]] = []
    items = list(node.items)
    is_rest = False
    while items:
        pattern = items.pop(0)
        if isinstance(pattern, Symbol) and pattern.name == "&":
            if is_rest or not items:
                analyzer.fail("`&` is followed by one name", pattern.span, "[a b & others]")
            is_rest = True
            continue
        if not isinstance(pattern, Symbol | VectorNode | MapNode):
            analyzer.fail("this is no parameter", pattern.span, "(fn [a b & others] …)")
        annotation = None
        if items and is_type(analyzer, items[0]):
            annotation = type_of_node(items.pop(0), analyzer.source, CompileError)
        found.append((pattern, annotation, is_rest))
        if is_rest and items:
            analyzer.fail("nothing follows the rest parameter", items[0].span, "[a b & others]")
    return found


def define(analyzer: Analyzer, definition: Definition, items: Sequence[Node], scope: Scope, node: ListNode) -> None:
    """Analyse the body of a declared function."""
    assert isinstance(items[0], VectorNode)
    inner = Scope(definition, scope)
    steps: Steps = []
    variables = [*definition.parameters, *([definition.rest] if definition.rest else [])]
    for (pattern, annotation, _), variable in zip(_parameters(analyzer, items[0]), variables, strict=True):
        value: Expression = Read(variable, pattern.span, ANY if annotation else variable.type)
        if annotation is not None or not isinstance(pattern, Symbol):
            bind_value(analyzer, pattern, annotation, value, inner, steps)
        else:
            check_name(analyzer, pattern)
            inner.names[pattern.name] = variable
    rest = list(items[1:])
    result = None
    if len(rest) > 1 and is_type(analyzer, rest[0]):
        result = type_of_node(rest.pop(0), analyzer.source, CompileError)
        definition.result = result
    with analyzer.target(len(variables)):
        body = analyzer.body(rest, inner, node.span)
    if result is not None:
        problem = conflict(body.type, result)
        if problem is not None:
            analyzer.fail(f"the function should give {print_type(result)}: {problem}", body.span)
        body = Cast(body, body.span, result)
    definition.result = body.type
    definition.body = Choose((Clause(tuple(steps), body),), None, node.span, body.type) if steps else body


def shorthand(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``#(… % %2 …)``."""
    whole = node.items[0]
    assert isinstance(whole, ShorthandFn)
    used = _placeholders(analyzer, whole.body)
    count = max((int(name[1:] or 1) for name in used if name != "%&"), default=0)
    definition = Definition("", scope.definition, Group(scope.definition))
    inner = Scope(definition, scope)
    for number in range(1, count + 1):
        variable = Variable(f"%{number}", definition, ANY)
        definition.parameters.append(variable)
        inner.names[variable.name] = variable
    if count:
        inner.names["%"] = definition.parameters[0]
    if "%&" in used:
        definition.rest = inner.bind("%&", Vector(ANY))
    with analyzer.target(count + ("%&" in used)):
        definition.body = analyzer.expression(whole.body, inner)
    definition.result = definition.body.type
    return make(definition, node.span)


def _placeholders(analyzer: Analyzer, body: ListNode) -> set[str]:
    found: set[str] = set()
    pending: list[Node] = [body]
    while pending:
        node = pending.pop()
        if isinstance(node, Symbol) and node.name.startswith("%"):
            if not (node.name in ("%", "%&") or (node.name[1:].isdecimal() and 1 <= int(node.name[1:4]) <= 20)):
                analyzer.fail(f"`{node.name}` is no parameter", node.span, "parameters of #(…) are %, %1 … %20 and %&")
            found.add(node.name)
        elif isinstance(node, ListNode | VectorNode):
            pending.extend(node.items)
        elif isinstance(node, MapNode):
            pending.extend(part for pair in node.pairs for part in pair)
        elif isinstance(node, ShorthandFn):
            analyzer.fail("#(…) within #(…) would make % unclear", node.span, "use (fn [x] …) for one of them")
    return found


def do(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``(do expression… )``, where `def` and `defn` name things for what follows them."""
    nodes = node.items[1:]
    if not nodes:
        return Constant(None, node.span, NIL)
    if not any(_is_definition(each) for each in nodes):
        items = analyzer.expressions(nodes, scope)
        return items[0] if len(items) == 1 else SequenceExpression(items, node.span, items[-1].type)
    inner = scope.inner()
    steps: Steps = []
    place = 0
    while place < len(nodes):
        functions = _functions_from(nodes, place)
        each = nodes[place]
        if functions:
            _define_group(analyzer, functions, inner, steps)
            place += len(functions)
            continue
        if _is_definition(each):
            _define_value(analyzer, each, inner, steps)
        elif place < len(nodes) - 1:
            hold(analyzer.expression(each, inner), inner, steps)
        place += 1
    if _is_definition(nodes[-1]):
        bound = steps[-1]
        assert isinstance(bound, Bind)
        body: Expression = Read(bound.variable, nodes[-1].span, bound.variable.type)
    else:
        body = analyzer.expression(nodes[-1], inner)
    return Choose((Clause(tuple(steps), body),), None, node.span, body.type)


def _is_definition(node: Node) -> bool:
    return _head(node) in ("def", "defn")


def _head(node: Node) -> str:
    if isinstance(node, ListNode) and node.items and isinstance(node.items[0], Symbol):
        return node.items[0].name
    return ""


def _functions_from(nodes: Sequence[Node], place: int) -> list[ListNode]:
    found: list[ListNode] = []
    for node in nodes[place:]:
        if not (isinstance(node, ListNode) and _head(node) == "defn"):
            break
        found.append(node)
    return found


def _define_group(analyzer: Analyzer, nodes: list[ListNode], scope: Scope, steps: Steps) -> None:
    """Define functions that follow one another together, so that each may call each."""
    group = Group(scope.definition)
    definitions: list[Definition] = []
    for node in nodes:
        name = node.items[1] if len(node.items) > 1 else node
        if not isinstance(name, Symbol):
            analyzer.fail("`defn` takes a name", name.span, "(defn name [x] (+ x 1))")
        check_name(analyzer, name)
        definition = Definition(name.name, scope.definition, group)
        declare(analyzer, definition, node.items[2:], node)
        variable = Variable(name.name, scope.definition, signature(definition))
        scope.names[name.name] = Named(definition, variable)
        definitions.append(definition)
    for definition, node in zip(definitions, nodes, strict=True):
        define(analyzer, definition, node.items[2:], scope, node)
    for definition, node in zip(definitions, nodes, strict=True):
        named = scope.names[definition.name]
        assert isinstance(named, Named)
        if named.definition is not definition:
            analyzer.fail(f"`{definition.name}` is defined twice", node.span)
        made = make(definition, node.span)
        named.variable.type = made.type
        steps.append(Bind(named.variable, made))


def _define_value(analyzer: Analyzer, node: Node, scope: Scope, steps: Steps) -> None:
    assert isinstance(node, ListNode)
    items = node.items
    if len(items) not in (3, 4) or not isinstance(items[1], Symbol):
        analyzer.fail("`def` takes a name and a value", node.span, "(def limit 10)")
    annotation = type_of_node(items[2], analyzer.source, CompileError) if len(items) == 4 else None
    bind_value(analyzer, items[1], annotation, analyzer.expression(items[-1], scope), scope, steps)


def stray_definition(analyzer: Analyzer, node: ListNode, _scope: Scope) -> Expression:
    """Refuse `def` and `defn` where no body could use the name."""
    analyzer.fail("definitions stand at the top or in a body", node.span, "use `let` to name a value here")


def loop(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``(loop [name value …] body…)``, gone on with by `recur`."""
    if len(node.items) < 3 or not isinstance(node.items[1], VectorNode):
        analyzer.fail(
            "`loop` takes bindings in brackets and a body", node.span, "(loop [i 0] (if (< i 3) (recur (inc i)) i))"
        )
    inner = scope.inner()
    variables: list[Variable] = []
    first: list[Expression] = []
    for pattern, _, value in bindings(analyzer, node.items[1]):
        if not isinstance(pattern, Symbol):
            analyzer.fail("`loop` names single values", pattern.span, "take apart with `let` in the body")
        check_name(analyzer, pattern)
        first.append(analyzer.expression(value, inner))
        variables.append(inner.bind(pattern.name, ANY))
    with analyzer.target(len(variables)):
        body = analyzer.body(node.items[2:], inner, node.span)
    return Loop(tuple(variables), tuple(first), body, node.span, body.type)


def recur(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``(recur value…)``."""
    values = analyzer.expressions(node.items[1:], scope)
    if not analyzer.targets:
        analyzer.fail("`recur` stands outside of any loop or function", node.span, "(loop [i 0] … (recur (inc i)))")
    if len(values) != analyzer.targets[-1]:
        analyzer.fail(f"`recur` gives {len(values)} values, {analyzer.targets[-1]} are taken", node.span)
    return Recur(values, node.span, NEVER)
