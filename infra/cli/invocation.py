"""What every command takes (``--json``, ``--tenant``, ``--config``), and how its work is run and ended."""

from __future__ import annotations

import asyncio
import functools
import signal
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from infra.cli.exits import ReaderGone, Terminated
from infra.cli.output import Output
from infra.settings import Settings, load


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call of a command."""

    output: Output
    tenant: str | None
    config: Path | None

    def settings(self, **overrides: Any) -> Settings:
        """The settings in force here. Raises ``ConfigurationError``."""
        return load(self.config, tenant=self.tenant, **overrides)


class WholeNumber(click.IntRange):
    """A whole number, and called so where something else was given."""

    name = "whole number"


def invoked(function: Callable[..., int]) -> Callable[..., int]:
    """Give a command the options that all have; its function takes them as one ``Invocation``, first."""

    @click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else, on stdout.")
    @click.option("--tenant", metavar="NAME", help="Act within this tenant instead of the configured one.")
    @click.option(
        "--config", type=click.Path(path_type=Path), metavar="FILE", help="Read this file instead of ./precedent.yaml."
    )
    @functools.wraps(function)
    def command(*args: Any, as_json: bool, tenant: str | None, config: Path | None, **kwargs: Any) -> int:
        try:
            return function(Invocation(Output(as_json), tenant, config), *args, **kwargs)
        except BrokenPipeError:
            raise ReaderGone from None  # click would make an exit code of its own of it

    return command


def examples(*lines: str) -> str:
    """The examples at the foot of a command's help, kept line by line."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def complete(work: Coroutine[Any, Any, int]) -> int:
    """Run a command's work. Ctrl-C and SIGTERM cancel it, so that what it started is ended in order."""
    with asyncio.Runner() as runner:
        return runner.run(_until_told(work))


async def _until_told(work: Coroutine[Any, Any, int]) -> int:
    task = asyncio.current_task()
    assert task is not None, "a runner runs a task"
    told = False

    def tell() -> None:
        nonlocal told
        told = True
        task.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, tell)
    try:
        return await work
    except asyncio.CancelledError:
        if told:
            raise Terminated from None
        raise
