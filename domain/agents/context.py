"""``ctx``: all that an agent may await. Each thing is an effect, asked in the lane that awaits it."""

from __future__ import annotations

from collections.abc import Awaitable, Generator, Sequence
from typing import Any, Final

from domain.kernel.errors import PrecedentError
from domain.rtfs.capability import kebab

OWN: Final = "ctx."
"""Beginning of the names of effects that the run's controller answers for agents; no tool is asked."""

NOW: Final = "ctx.now"
RANDOM: Final = "ctx.random"
UUID_: Final = "ctx.uuid"
LOG: Final = "ctx.log"
PATCHED: Final = "ctx.patched"

SLEEP: Final = "timer.sleep"

_PARALLEL: Final = "`await ctx.parallel(first, second)` gives each branch a lane of its own"


class EffectFailed(PrecedentError):
    """An effect failed or was refused: catch this in the agent to go on, and look at ``type``."""

    code = "agent.effect-failed"

    def __init__(self, type_: str, message: str, effect: str) -> None:
        """``effect``: its key."""
        super().__init__(message)
        self.type = type_
        """As the tool gave it, such as ``fs.not-found``; ``guard.denied``; ``approval.refused``."""
        self.effect = effect


class ContextMisused(PrecedentError):
    """Await only what ``ctx`` gives, once, in the agent itself; the message says what to write instead."""

    code = "agent.context-misused"


class Asking(Awaitable[Any]):
    """One effect, asked when it is awaited."""

    __slots__ = ("_awaited", "arguments", "capability")

    def __init__(self, capability: str, arguments: dict[str, Any]) -> None:
        self.capability = capability
        self.arguments = arguments
        self._awaited = False

    def __await__(self) -> Generator[Any, Any, Any]:
        """Ask in the lane that awaits."""
        if self._awaited:
            raise ContextMisused(f"this {self.capability} was awaited before; keep its result, or call ctx once more")
        self._awaited = True
        return (yield from _handed_over(self))


class Branches(Awaitable[list[Any]]):
    """Several awaitables side by side, each in a lane of its own."""

    __slots__ = ("_awaited", "bodies")

    def __init__(self, bodies: Sequence[Awaitable[Any]]) -> None:
        self.bodies = bodies
        self._awaited = False

    def __await__(self) -> Generator[Any, Any, list[Any]]:
        """Run them; the results in their order."""
        if self._awaited:
            raise ContextMisused("this ctx.parallel was awaited before; keep its results, or call it once more")
        self._awaited = True
        results: list[Any] = yield from _handed_over(self)
        return results


class Accepted:
    """What an awaitable gives to whoever drives it; the driver of agents marks it, others throw or stumble."""

    __slots__ = ("asked", "by_agent")

    def __init__(self, asked: Asking | Branches) -> None:
        self.asked = asked
        self.by_agent = False

    def __repr__(self) -> str:
        """Named in the message of an event loop that is given one."""
        return "something of ctx"


def _handed_over(asked: Asking | Branches) -> Generator[Any, Any, Any]:
    accepted = Accepted(asked)
    try:
        return (yield accepted)
    except GeneratorExit:
        raise
    except BaseException as error:
        if accepted.by_agent:
            raise
        # A task of an event loop, a thread, or another agent awaited it: its place among the effects would be chance.
        raise ContextMisused(f"ctx was awaited outside of the agent's own lanes; {_PARALLEL}") from error


class Context:
    """What an agent is given beside its inputs."""

    __slots__ = ()

    def call(self, tool: str, /, **arguments: Any) -> Awaitable[Any]:
        """Call a tool of the task with plain data; ``with_items=True`` is its argument ``with-items``.

        Gives plain data: maps by text. Raises ``EffectFailed``.
        """
        if not isinstance(tool, str) or tool.startswith(OWN):
            raise ContextMisused(f"ctx.call takes the name of a tool, as in ctx.call('fs.read'), not {tool!r:.100}")
        return Asking(tool, {kebab(name): value for name, value in arguments.items()})

    def sleep(self, seconds: float) -> Awaitable[None]:
        """Rest so long, over restarts too; the task lists ``timer.sleep`` among its tools."""
        return Asking(SLEEP, {"seconds": seconds})

    def now(self) -> Awaitable[Any]:
        """The time, with its zone, as a ``datetime``."""
        return Asking(NOW, {})

    def random(self) -> Awaitable[float]:
        """A number from 0 up to, but not including, 1."""
        return Asking(RANDOM, {})

    def uuid(self) -> Awaitable[Any]:
        """A random UUID."""
        return Asking(UUID_, {})

    def log(self, message: str) -> Awaitable[None]:
        """Put a sentence on the record of the run."""
        if not isinstance(message, str):
            raise ContextMisused(f"ctx.log takes text, not {type(message).__name__}")
        return Asking(LOG, {"message": message})

    def patched(self, name: str) -> Awaitable[bool]:
        """Whether to do it the new way: False just for a run that has gone past this place without the patch."""
        if not isinstance(name, str) or not name:
            raise ContextMisused(f"ctx.patched takes the name of a change, as in ctx.patched('v2'), not {name!r:.100}")
        return Asking(PATCHED, {"name": name})

    def parallel(self, *branches: Awaitable[Any]) -> Awaitable[list[Any]]:
        """Run these side by side and give their results in this order.

        All come to their end, also when one fails; of several errors the first branch's is raised.
        """
        for branch in branches:
            if not isinstance(branch, Awaitable):
                raise ContextMisused(f"ctx.parallel takes awaitables, not {type(branch).__name__}: call the function")
        return Branches(branches)
