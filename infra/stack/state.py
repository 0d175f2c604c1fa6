"""What the supervisor tells the world: state.json in the data directory, rewritten whole at each change."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from infra.stack.errors import DataDirectoryRefused
from infra.stack.processes import ProcessIdentity

Phase = Literal["starting", "ready", "stopping", "stopped", "failed"]


@dataclass(frozen=True, kw_only=True)
class ComponentState:
    """One supervised program, as last reported."""

    process: ProcessIdentity | None = None
    healthy: bool = False
    #: Unix seconds of its latest start.
    since: float | None = None
    restarts: int = 0
    url: str | None = None
    #: The signal that stops it cleanly, for whoever finds it after its supervisor was killed.
    stop_signal: int


@dataclass(frozen=True, kw_only=True)
class StackState:
    """The whole stack, as last reported."""

    supervisor: ProcessIdentity
    phase: Phase
    nats_url: str | None = None
    database_url: str | None = None
    components: dict[str, ComponentState] = field(default_factory=dict)
    format: Literal[1] = 1

    def ready(self) -> bool:
        """Whether clients may connect."""
        return self.phase == "ready" and self.supervisor.alive()


_STATE = TypeAdapter(StackState)


def state_file(data: Path) -> Path:
    """Where the state is written."""
    return data / "state.json"


def write_state(data: Path, state: StackState) -> None:
    """Replace the state; a reader sees the old one or the new one, never half of one."""
    new = state_file(data).with_suffix(".new")
    new.write_bytes(_STATE.dump_json(state, indent=1))
    new.chmod(0o600)
    new.replace(state_file(data))


def read_state(data: Path) -> StackState | None:
    """The state last written; None when there is none, or one that this release cannot read.

    Raises:
        DataDirectoryRefused: this user may not look there, or it is no directory.

    """
    try:
        return _STATE.validate_json(state_file(data).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    except OSError as error:
        raise DataDirectoryRefused(
            f"data: {data}: {error.strerror}; name another directory as `data` in precedent.yaml or in PRECEDENT_DATA"
        ) from None
