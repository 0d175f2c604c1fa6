"""Commands on programs."""

from __future__ import annotations

from commands.handle import AccessDenied, CommandEnvelope
from commands.ports import StreamSlice
from commands.programs.log import CATEGORY, folded, load_program
from commands.services import Services
from domain.kernel.events import DomainEvent
from domain.kernel.ids import StreamId
from domain.programs import decide as rules
from domain.programs.acceptance import is_vouched
from domain.programs.commands import ProgramCommand, ReinstateProgram, RevokeProgram, SupersedeProgram
from domain.programs.events import module_stream
from domain.programs.policy import Policy
from domain.programs.state import Status


def named_program(envelope: CommandEnvelope, command: ProgramCommand) -> str:  # noqa: ARG001  # one shape for all
    """The stream that the command is about."""
    return module_stream(command.module) if isinstance(command, RevokeProgram) else command.program


def decide_program(services: Services, slice_: StreamSlice, command: ProgramCommand, now: object) -> list[DomainEvent]:  # noqa: ARG001
    """Events that the command causes."""
    return list(rules.decide(folded(slice_.events), command, _policy(services)))


async def check_successor(services: Services, tenant: str, principal: str, command: SupersedeProgram) -> None:  # noqa: ARG001
    """Whether the other program can answer. Raises ``NotFound``, ``NoSuccessor``, ``ServiceUnreachable``."""
    program, _ = await load_program(services, StreamId(tenant, CATEGORY, command.program))
    other, _ = await load_program(services, StreamId(tenant, CATEGORY, command.by))
    rules.check_successor(program, other, command)


async def check_reinstating(services: Services, tenant: str, principal: str, command: ReinstateProgram) -> None:
    """Whether this principal may, and whether the program would run then.

    Raises ``AccessDenied``, ``NotReinstated``, ``ServiceUnreachable``.
    """
    actor = f"user:{principal}"
    if not _policy(services).may_publish(actor):
        raise AccessDenied(f"{actor} may not reinstate programs; programs.publishers names who may")
    program, _ = await load_program(services, StreamId(tenant, CATEGORY, command.program))
    if program.offer is None or program.envelope is None:
        return  # what follows is told by `decide`
    withdrawn, _ = await load_program(services, StreamId(tenant, CATEGORY, module_stream(program.offer.module)))
    if withdrawn.status is Status.REVOKED:
        raise rules.NotReinstated(
            f"the module of program {command.program} was revoked ({withdrawn.reason}), which is for ever: "
            "a corrected program has another module"
        )
    trusted = {} if services.reuse is None else services.reuse.trusted.get(tenant, {})
    if not is_vouched(program, command.program, tenant, trusted):
        raise rules.NotReinstated(
            f"no key that is trusted here signed program {command.program}: name the key under programs.trusted, or "
            "revoke the module and let a run publish the program anew"
        )


def _policy(services: Services) -> Policy:
    return Policy() if services.reuse is None else services.reuse.policy
