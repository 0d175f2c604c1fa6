"""What people may do to programs."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

EntryId = Annotated[str, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
Reason = Annotated[str, Field(min_length=1, max_length=4_000)]


class _Command(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RevokeProgram(_Command):
    """Never run this module again, for any task of the tenant."""

    module: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    reason: Reason


class DemoteProgram(_Command):
    """Do not use this program in place of a model any more."""

    program: EntryId
    reason: Reason
    run: str | None = Field(None, pattern=r"^[A-Za-z0-9_-]{1,64}$")
    """The run in which it was wrong."""


class SupersedeProgram(_Command):
    """Let another program answer in place of this one."""

    program: EntryId
    by: EntryId
    reason: Reason


class ReinstateProgram(_Command):
    """Use a demoted program again, which runs since then have come to and done well."""

    program: EntryId
    reason: Reason


ProgramCommand = RevokeProgram | DemoteProgram | SupersedeProgram | ReinstateProgram
