"""What the operator allows tools to reach. Everything is closed or small by default."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from adapters.tools.sandbox.limits import SandboxLimits


class ToolSettings(BaseModel):
    """The `tools` section of the configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    root: Path = Path()
    """The folder that `fs.*`, `sql.query`, `python.*` and `shell.run` see; by default the worker's."""
    hidden: tuple[Path, ...] = ()
    """Files and folders that no tool sees though they lie beneath the root: keys, credentials, the data directory."""
    http_hosts: tuple[str, ...] = ()
    """Hosts that `http.get` may ask: `example.org`, `*.example.org`, `localhost:8080`. None by default."""
    databases: dict[str, str] = Field(default_factory=dict)
    """PostgreSQL databases that `sql.query` may read, by name; give a role that may only read."""
    query_seconds: Annotated[float, Field(gt=0, le=25)] = 20.0
    """Seconds that a statement of `sql.query` may run."""
    result_bytes: Annotated[int, Field(ge=1024)] = 16 * 1024 * 1024
    """Largest result of a tool, as JSON."""
    sandboxes: Annotated[int, Field(ge=1)] = 4
    """Sandboxed commands at once; further ones wait."""
    threads: Annotated[int, Field(ge=1)] = 64
    """Blocking tools at once, those included that went on after their timeout; further ones wait."""
    waiting: Annotated[int, Field(ge=1)] = 256
    """Calls of async tools at once; further ones wait. Each may hold a socket, of which a process has so many."""
    sandbox: SandboxLimits = SandboxLimits()
