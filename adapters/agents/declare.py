"""Declares an async function as an agent, and finds those that modules declare."""

import importlib
import inspect
import sys
from collections.abc import Callable, Iterable
from types import MappingProxyType, ModuleType
from typing import Any, TypeVar

from domain.agents.declaration import Agent, AgentNotDeclarable
from domain.kernel.errors import InvalidInput
from domain.kernel.values import digest_bytes
from domain.runs.execution import Agents

F = TypeVar("F", bound=Callable[..., Any])

_DECLARED = "__precedent_agent__"


class AgentModuleUnusable(InvalidInput):
    """Correct the module name in the configuration, or the module: the message says what went wrong in it."""

    code = "agent.module-unusable"


def agent(name: str, *, version: str = "1") -> Callable[[F], F]:
    """Declare ``async def f(ctx, inputs)`` as the agent ``name``. Raises ``AgentNotDeclarable``.

    A run keeps to the version with which it began: raise it with every change that open runs must not see.
    """

    def declare_it(function: F) -> F:
        setattr(function, _DECLARED, _declared(function, name, version))
        return function

    return declare_it


def _declared(function: Callable[..., Any], name: str, version: str) -> Agent:
    document = inspect.getdoc(function)
    if not document:
        raise AgentNotDeclarable(f"{name}: give the function a docstring; people choose agents by it")
    if not inspect.iscoroutinefunction(function):
        raise AgentNotDeclarable(f"{name}: an agent is an async function, async def {function.__name__}(ctx, inputs)")
    parameters = list(inspect.signature(function).parameters.values())
    if len(parameters) != 2 or any(each.kind is not each.POSITIONAL_OR_KEYWORD for each in parameters):
        raise AgentNotDeclarable(f"{name}: an agent takes two parameters, async def {function.__name__}(ctx, inputs)")
    module = sys.modules[function.__module__]
    try:
        source = inspect.getsource(module)
    except (OSError, TypeError) as error:
        raise AgentNotDeclarable(
            f"{name}: the source of {module.__name__} cannot be read ({error}); its digest is recorded with each run"
        ) from error
    return Agent(
        name=name,
        version=version,
        doc=document,
        function=function,
        module=module.__name__,
        file=function.__code__.co_filename,
        source=source,
        digest=digest_bytes(source.encode()),
    )


def declared_agent(function: object) -> Agent | None:
    """Give the agent that a function was declared as, if it was."""
    found = getattr(function, _DECLARED, None)
    return found if isinstance(found, Agent) else None


def agents_of_modules(names: Iterable[str]) -> Agents:
    """The agents declared in these modules. Raises ``AgentModuleUnusable``, ``AgentNotDeclarable``."""
    agents: dict[str, Agent] = {}
    for name in names:
        for each in _agents_of(_imported(name)):
            if each.name in agents:
                raise AgentNotDeclarable(f"two agents are named {each.name}; rename one or list only one module")
            agents[each.name] = each
    return MappingProxyType(dict(sorted(agents.items())))


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except AgentNotDeclarable:
        raise
    except Exception as error:
        raise AgentModuleUnusable(f"agent module {name} cannot be imported: {type(error).__name__}: {error}") from error


def _agents_of(module: ModuleType) -> list[Agent]:
    found = [declared_agent(value) for value in vars(module).values()]
    # An agent that a module merely imported belongs to the module that declares it.
    agents = [each for each in found if each is not None and each.module == module.__name__]
    if not agents:
        raise AgentModuleUnusable(f"module {module.__name__} declares no agent; mark its functions with @agent(…)")
    return agents
