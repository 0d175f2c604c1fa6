"""Private copies of the package's modules, cut off from the clock, the machine's time zone and unseeded randomness.

Why copies: the modules share state across their instances. In long-context entries a booked flight is charged to a
card that is a constant of ``long_context``, a temperature is written into another, and ``math_api`` sets the decimal
precision of the whole process. Two runs in one process would see each other. Here each run executes the modules'
code (compiled once) in namespaces of its own.

Why a gate: an import is the only way by which these classes reach the world. Each import is answered from the table
below and every other name is refused, so that no read of clock or randomness can be overlooked.
"""

from __future__ import annotations

import builtins
import copy
import datetime as dt
import decimal
import math
import random
import typing
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from importlib import import_module
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType, SimpleNamespace
from typing import Any, Final

from domain.kernel.errors import NotFound, PrecedentError

MODULES: Final[Mapping[str, str]] = {
    "GorillaFileSystem": "gorilla_file_system",
    "MathAPI": "math_api",
    "MessageAPI": "message_api",
    "TwitterAPI": "posting_api",
    "TicketAPI": "ticket_api",
    "TradingBot": "trading_bot",
    "TravelAPI": "travel_booking",
    "VehicleControlAPI": "vehicle_control",
}
"""Class -> module. The stateful classes of the multi-turn categories and ``MathAPI``; those of others need servers."""

FOLDER: Final = "eval_checker/multi_turn_eval/func_source_code"
_LONG_CONTEXT: Final = "bfcl_eval.eval_checker.multi_turn_eval.func_source_code.long_context"


class ImportRefused(PrecedentError):
    """The package's code imports something unknown here: look at what it reads, then add it to the gate's table."""

    code = "bench.import-refused"


class UnseededRandomness(PrecedentError):
    """The package's code draws without a seed: its result would not be repeatable; exclude the class."""

    code = "bench.unseeded-randomness"


class PrecisionLibraryMissing(NotFound):
    """Install ``mpmath`` with the command in the message; the logarithm of ``MathAPI`` is computed with it."""

    code = "bench.mpmath-missing"


class SeededRandom(random.Random):
    """The standard generator, which refuses to start from the operating system's entropy."""

    def __init__(self, seed: float | str | None = None) -> None:
        if seed is None:
            raise UnseededRandomness("random.Random() without a seed reads the operating system's entropy")
        super().__init__(seed)


class Sources:
    """The modules' code, read and compiled once a process."""

    def __init__(self, root: Path) -> None:
        """Take the folder of the installed package."""
        names = {*MODULES.values(), "long_context"}
        self._code: dict[str, CodeType] = {name: _code(root / FOLDER / f"{name}.py") for name in sorted(names)}
        self._constants = execute("long_context", self._code["long_context"], vars(builtins))

    def isolate(
        self, now: datetime, long_context: bool = False, on_clock: Callable[[], None] = lambda: None
    ) -> Isolated:
        """Give private classes that see ``now`` whenever they ask for the time, and report that they did.

        The constants of ``long_context`` are used, and changed, in long-context runs only; others share one copy.
        """
        return Isolated(self._code, None if long_context else self._constants, now, on_clock)


def _code(path: Path) -> CodeType:
    code = SourceFileLoader(path.stem, str(path)).get_code(path.stem)
    assert code is not None, "a source loader always has code"
    return code


def execute(name: str, code: CodeType, names: Mapping[str, Any]) -> ModuleType:
    """Make a module of its code, as the import system does, with these built-in names."""
    module = ModuleType(name)
    vars(module)["__builtins__"] = names
    exec(code, vars(module))  # noqa: S102  # the code of a pinned release, which importing would execute too
    return module


class Isolated:
    """One private copy of the modules; each is executed when a class of it is first asked for."""

    def __init__(
        self, code: Mapping[str, CodeType], constants: ModuleType | None, now: datetime, on_clock: Callable[[], None]
    ) -> None:
        self._code = code
        self._modules = {} if constants is None else {"long_context": constants}
        self._builtins = {**vars(builtins), "__import__": self._import}
        self._answers: dict[str, Callable[[], Any]] = {
            "copy": lambda: copy,
            "datetime": lambda: _pinned_datetime(now, on_clock),
            "decimal": lambda: decimal,
            "math": lambda: math,
            "mpmath": PrivateMpmath,
            "random": lambda: SimpleNamespace(Random=SeededRandom),
            # Imported and never used; whoever starts to use it meets an AttributeError.
            "subprocess": SimpleNamespace,
            "typing": lambda: typing,
            # Asked for by `strftime` and `strptime` of `datetime` itself, which take the real modules whatever the
            # answer, once they are loaded; the package's own code gets nothing of them.
            "time": SimpleNamespace,
            "_strptime": lambda: import_module("_strptime") and SimpleNamespace(),
            _LONG_CONTEXT: lambda: self._module("long_context"),
        }

    def type(self, class_name: str) -> type[Any]:
        """Give this world's copy of a class."""
        found: type[Any] = getattr(self._module(MODULES[class_name]), class_name)
        return found

    def _module(self, name: str) -> ModuleType:
        module = self._modules.get(name)
        if module is None:
            module = self._modules[name] = execute(name, self._code[name], self._builtins)
        return module

    def _import(self, name: str, *_: object) -> Any:
        answer = self._answers.get(name)
        if answer is None:
            raise ImportRefused(f"import {name} is not in the gate's table ({', '.join(sorted(self._answers))})")
        return answer()


class PrivateMpmath:
    """The two names of ``mpmath`` that the package uses, with a precision that no other run can see or change."""

    @cached_property
    def mp(self) -> Any:
        """The context that holds the precision; making one takes two milliseconds, so only who computes makes it."""
        try:
            return import_module("mpmath.ctx_mp").MPContext()
        except ImportError as error:
            raise PrecisionLibraryMissing("mpmath is not installed; install it with: pip install mpmath") from error

    def log(self, value: float) -> Any:
        """Natural logarithm at the precision of ``mp``."""
        return self.mp.log(value)


def _pinned_datetime(now: datetime, on_clock: Callable[[], None]) -> SimpleNamespace:
    """Give the ``datetime`` module with a clock that stands at ``now``, on a machine whose time zone is UTC."""
    pinned = now.astimezone(UTC).replace(tzinfo=None)

    class Pinned(datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Pinned:
            assert tz is None, "the package asks for local time only"
            return cls.today()

        @classmethod
        def today(cls) -> Pinned:
            on_clock()
            return cls.fromisoformat(pinned.isoformat())

        @classmethod
        def fromtimestamp(cls, timestamp: float, tz: dt.tzinfo | None = None) -> Pinned:
            assert tz is None, "the package asks for local time only"
            return super().fromtimestamp(timestamp, UTC).replace(tzinfo=None)

        def timestamp(self) -> float:
            return datetime.timestamp(self.replace(tzinfo=UTC)) if self.tzinfo is None else super().timestamp()

    return SimpleNamespace(datetime=Pinned, time=dt.time, timedelta=dt.timedelta)
