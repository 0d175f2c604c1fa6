"""What an agent is: a named, versioned async function and the source it came from."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from domain.agents.context import Context
from domain.kernel.errors import InvalidInput

NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z][A-Za-z0-9_-]*)*\Z")
LONGEST_NAME: Final = 128
VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")

AgentFunction: TypeAlias = Callable[[Context, Any], Awaitable[Any]]


class AgentNotDeclarable(InvalidInput):
    """Correct the declaration that the message names; the worker does not start with an agent it cannot pin."""

    code = "agent.not-declarable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """An agent as it is declared here and now."""

    name: str
    version: str
    doc: str
    function: AgentFunction
    """Takes the context and the inputs as plain data; gives the output as plain data."""
    module: str
    file: str
    source: str
    """Text of its module."""
    digest: str
    """Of the text; recorded with each run that it pursues."""

    def __post_init__(self) -> None:
        """Refuse what no task could name."""
        if len(self.name) > LONGEST_NAME or not NAME.match(self.name):
            raise AgentNotDeclarable(
                f"agent name {self.name[:LONGEST_NAME]!r} is refused: use words of letters, digits, '_' and '-', "
                "joined by dots, like acme.research"
            )
        if not VERSION.match(self.version):
            raise AgentNotDeclarable(f"{self.name}: version {self.version[:64]!r} is refused; use one like 1 or 2.1")
