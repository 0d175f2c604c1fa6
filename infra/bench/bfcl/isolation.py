"""Private copies of the package's modules, cut off from the clock, the machine's time zone and unseeded randomness.

Why copies: in long-context entries the modules share state across their instances. A booked flight is charged to a
card that is a constant of ``long_context``, and a temperature is written into another: two runs in one process would
see each other. Here each long-context run executes the modules' code (compiled once) in namespaces of its own. The
other runs leave the modules as they are and share one copy, apart from those of the process.

Why a gate: an import is the only way by which these classes reach the world. Each import is answered from the table
below and every other name is refused, so that no read of clock or randomness can be overlooked.
"""

from __future__ import annotations

import ast
import builtins
import copy
import datetime as dt
import decimal
import math
import random
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cached_property
from importlib import import_module
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType, SimpleNamespace
from typing import Any, Final, Self

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


class Time:
    """The time that the objects of one run see: it stands still, and whoever looks is counted."""

    def __init__(self, now: datetime) -> None:
        self.now = now.astimezone(UTC).replace(tzinfo=None)
        """Local time on a machine whose zone is UTC."""
        self.looks = 0

    @contextmanager
    def is_seen(self) -> Iterator[None]:
        """Let the package's code see this time for the length of a block."""
        before = _SEEN.set(self)
        try:
            yield
        finally:
            _SEEN.reset(before)


_SEEN: Final[ContextVar[Time]] = ContextVar("time that the package's code sees")


class SeenDatetime(datetime):
    """``datetime`` with the clock of the run whose object is at work, on a machine whose time zone is UTC."""

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> Self:
        """Local time of the run."""
        assert tz is None, "the package asks for local time only"
        return cls.today()

    @classmethod
    def today(cls) -> Self:
        """Local time of the run."""
        time = _SEEN.get()
        time.looks += 1
        return cls.fromisoformat(time.now.isoformat())

    @classmethod
    def fromtimestamp(cls, timestamp: float, tz: dt.tzinfo | None = None) -> Self:
        """Local time of a moment."""
        assert tz is None, "the package asks for local time only"
        return super().fromtimestamp(timestamp, UTC).replace(tzinfo=None)

    def timestamp(self) -> float:
        """Moment of a local time."""
        return datetime.timestamp(self.replace(tzinfo=UTC))


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
        self._code = {name: _code(root / FOLDER / f"{name}.py") for name in sorted(set(MODULES.values()))}
        self._constants = _constants(root / FOLDER / "long_context.py")
        self._shared = Isolated(self._code, self._constants)

    def isolate(self, long_context: bool) -> Isolated:
        """Give the classes for a run of this kind; call them within ``Time.is_seen`` only."""
        return Isolated(self._code, self._constants) if long_context else self._shared


def _code(path: Path) -> CodeType:
    code = SourceFileLoader(path.stem, str(path)).get_code(path.stem)
    assert code is not None, "a source loader always has code"
    return code


def _constants(path: Path) -> dict[str, CodeType]:
    """Code of each constant of a module of literals, by name."""
    constants: dict[str, CodeType] = {}
    for node in ast.parse(path.read_bytes()).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                ast.literal_eval(value)
                constants[name] = compile(ast.Expression(value), str(path), "eval")
            case _:
                raise ImportRefused(f"{path}, line {node.lineno}: not a constant; only constants are expected there")
    return constants


class Constants:
    """A module's constants, each made when it is first asked for: most runs need few of many thousand objects."""

    def __init__(self, code: Mapping[str, CodeType]) -> None:
        self._code = code

    def __getattr__(self, name: str) -> Any:
        """Make a constant, once."""
        code = self._code.get(name)
        if code is None:
            raise AttributeError(f"there is no constant {name} ({', '.join(sorted(self._code))})")
        value = eval(code, {"__builtins__": {}})  # noqa: S307  # nothing but a literal: see `_constants`
        setattr(self, name, value)
        return value


def execute(name: str, code: CodeType, names: Mapping[str, Any]) -> ModuleType:
    """Make a module of its code, as the import system does, with these built-in names."""
    module = ModuleType(name)
    vars(module)["__builtins__"] = names
    exec(code, vars(module))  # noqa: S102  # the code of a pinned release, which importing would execute too
    return module


class Isolated:
    """One private copy of the modules; each is executed when a class of it is first asked for."""

    def __init__(self, code: Mapping[str, CodeType], constants: Mapping[str, CodeType]) -> None:
        self._code = code
        self._constants = Constants(constants)
        self._modules: dict[str, ModuleType] = {}
        self._builtins = {**vars(builtins), "__import__": self._import}
        self._answers: dict[str, Callable[[], Any]] = {
            "copy": lambda: copy,
            "datetime": lambda: SimpleNamespace(datetime=SeenDatetime, time=dt.time, timedelta=dt.timedelta),
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
            _LONG_CONTEXT: lambda: self._constants,
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
    """The two names of ``mpmath`` that the package uses, with a precision of their own: not that of the process."""

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
