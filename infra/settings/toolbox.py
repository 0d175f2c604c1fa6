"""What the built-in tools reach, and how much a call may use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from infra.settings.values import Section, between, matching, url_of

DatabaseName = Annotated[
    str, matching(r"[a-z][a-z0-9_-]{0,63}", "a name of at most 64 lower-case letters, digits, - and _, as in crm")
]
Megabytes = Annotated[int, Field(ge=1, le=1_048_576)]
"""Of 1,048,576 bytes."""


class SandboxSettings(Section):
    """What one command of ``shell.*`` or ``code.python`` may use."""

    #: Seconds of processor time, of each process.
    cpu_seconds: Annotated[int, Field(ge=1, le=3_600)] = 30
    #: Address space of each process.
    memory_mb: Megabytes = 512
    #: Memory of all its processes together.
    tree_mb: Megabytes = 1024
    #: The largest file that it may write.
    file_mb: Megabytes = 16
    #: What ``/tmp`` and the private working directory may hold, each.
    scratch_mb: Megabytes = 64
    #: Processes and threads at once.
    processes: Annotated[int, Field(ge=1, le=4_096)] = 32
    #: Open files of each process.
    open_files: Annotated[int, Field(ge=16, le=65_536)] = 128


class ToolboxSettings(Section):
    """The built-in tools. Which hosts they may ask is ``http.allow``."""

    #: The folder that tools see; by default the one in which the worker was started.
    root: Path | None = None
    #: PostgreSQL databases that ``sql.query`` may read, by name. Give a role that may only read.
    databases: dict[DatabaseName, Annotated[str, url_of("postgresql")]] = Field(default_factory=dict, repr=False)
    #: Seconds that a statement of ``sql.query`` may run.
    query_seconds: Annotated[float, between(0.1, 25)] = 20.0
    #: The largest result of a tool, as JSON.
    result_mb: Annotated[int, Field(ge=1, le=1_024)] = 16
    #: Blocking tools at once; further ones wait.
    threads: Annotated[int, Field(ge=1, le=4_096)] = 64
    #: Sandboxed commands at once; further ones wait.
    sandboxes: Annotated[int, Field(ge=1, le=1_024)] = 4
    sandbox: SandboxSettings = SandboxSettings()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.root is not None and not self.root.expanduser().is_dir():
            raise ValueError(f"toolbox.root of an existing folder, not {self.root}")
        if self.sandbox.tree_mb < self.sandbox.memory_mb:
            raise ValueError("toolbox.sandbox.tree_mb of at least toolbox.sandbox.memory_mb")
        return self
