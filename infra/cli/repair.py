"""``audit repair``: a log that has lost events gets them back out of the ledger's copy."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click
from rich.text import Text

from adapters.nats.checkpoints import JetStreamCheckpoints
from adapters.nats.log_writer import JetStreamLogWriter
from commands.audits import Audits, Trust, rotations_of
from commands.repairs import How, Plan, Repairs
from domain.kernel.errors import InvalidInput
from infra.bootstrap.ledger import SHARD, archived_epochs, earlier_keys, segment_store, stored_log, tile_store
from infra.cli.exits import DONE, NO, TAMPERED
from infra.cli.invocation import Invocation, complete, examples, invoked
from infra.cli.output import Output, counted
from infra.cli.session import Session, session
from infra.cli.trust import key_of, keys_option, own_key


@click.command(
    short_help="Put back events that the log has lost.",
    epilog=examples("precedent audit repair", "precedent audit repair --yes"),
)
@keys_option
@click.option("--yes", "is_wanted", is_flag=True, help="Write; without it, only say what would be written.")
@click.option(
    "--anew",
    "is_anew_wanted",
    is_flag=True,
    help="Also where the broker's stream must be deleted and written anew, all of it out of the archive.",
)
@invoked
def repair(cli: Invocation, key: str | None, *, is_wanted: bool, is_anew_wanted: bool) -> int:
    """Put back events that the log has lost, from the ledger's copy, at the places that they had.

    The copy is first verified against the newest signed checkpoint. It may be repeated at any time.

    Exit code 0: the log is whole (again). 1: there is something to do; nothing was written.
    """
    return complete(_repair(cli, key, is_wanted=is_wanted, is_anew_wanted=is_anew_wanted))


async def _repair(cli: Invocation, key: str | None, *, is_wanted: bool, is_anew_wanted: bool) -> int:
    async with session(cli, services=False, whole=False, keeping=True) as connected:
        if connected.projected and not connected.own:
            _refuse_beside_services(connected)
        settings = connected.settings
        trust = Trust(key=key_of(key) if key is not None else own_key(settings), earlier=earlier_keys(settings))
        content = connected.endpoints.content_directory
        archived = archived_epochs(content)
        log, checkpoints = stored_log(connected.connection, content), JetStreamCheckpoints(connected.connection)
        left = max((each.last for each in archived.left(SHARD)), default=0)
        repairs = Repairs(log, segment_store(content), checkpoints, tile_store(content), left)
        with cli.output.progress("look") as bar:
            plan = await repairs.plan(SHARD, trust, bar)
        allowed = is_wanted and (is_anew_wanted or plan.how is not How.ANEW)
        if plan.how is not How.WHOLE and not allowed:
            _show_plan(cli.output, plan, is_wanted=is_wanted)
            return NO
        with cli.output.progress("repair") as bar:
            await repairs.carry_out(plan, JetStreamLogWriter(connected.connection, archived), progress=bar)
        rotations = await rotations_of(connected.store, settings.tenant)
        report = await Audits(log, checkpoints, tile_store(content)).verify(
            SHARD, trust, rotations, now=datetime.now(UTC)
        )
    cli.output.document({**_document(plan), "written": plan.missing, "sound": report.sound, "root": report.root.hex()})
    what = f"{counted(plan.missing, 'event')} put back" if plan.missing else "nothing to repair"
    if not report.sound:
        cli.output.show(Text(f"{what}; the log is still not whole: `precedent audit verify` says where"))
        return TAMPERED
    cli.output.show(Text.assemble(("whole", "bold green"), f"  {what}; {counted(report.events, 'event')} in the log"))
    return DONE


def _refuse_beside_services(connected: Session) -> None:
    if connected.settings.nats.url is not None:
        return  # nobody here can tell who runs elsewhere; the broker refuses whoever comes in between
    raise InvalidInput("services are running that write to the log: stop them with `precedent down`, and try again")


def _show_plan(output: Output, plan: Plan, *, is_wanted: bool) -> None:
    output.document({**_document(plan), "written": 0})
    first, last = plan.held
    signed = plan.checkpoint.position(plan.checkpoint.size - 1)
    output.show(
        Text(f"the newest checkpoint stands over events up to {signed}; the log has {first} to {last.sequence}"),
        Text("the archive has all of them, with the signed root"),
    )
    if plan.how is How.APPEND:
        output.show(Text(f"`precedent audit repair --yes` puts back {counted(plan.missing, 'event')} at the end"))
        return
    where = f"the log differs from the archive at {plan.differs}" if plan.differs else "the log's end is lost"
    output.show(
        Text(
            f"{where}: the broker can only append, so the stream must be deleted and all "
            f"{counted(plan.missing, 'event')} written anew; keep a copy of the broker's files as evidence, then "
            f"`precedent audit repair --yes --anew`"
        )
    )
    if is_wanted:
        output.warn("nothing was written: --anew was not given")


def _document(plan: Plan) -> dict[str, Any]:
    return {
        "how": plan.how.value,
        "checkpoint": plan.checkpoint.size,
        "first": str(plan.held[0]),
        "last": str(plan.held[1]),
        "differs": None if plan.differs is None else str(plan.differs),
        "missing": plan.missing,
        "unsigned": plan.unsigned,
    }
