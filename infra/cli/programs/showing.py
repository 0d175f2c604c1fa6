"""``programs show``: where a program comes from, who vouches for what, how it did, and why it is not used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
import orjson
from rich.console import RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from domain.kernel.values import ValueNotDecodable, bytes_of_text
from domain.programs.events import Proof
from domain.programs.state import Program, Status
from infra.cli.exits import DONE
from infra.cli.invocation import Invocation, complete, examples, invoked
from infra.cli.output import counted, short
from infra.cli.programs.checking import Checked, checking
from infra.cli.programs.listing import STYLES, row_document
from infra.cli.programs.naming import program_named
from infra.cli.programs.verifying import program_keys_option
from infra.cli.session import session
from infra.cli.timeline import seconds
from infra.cli.watching import listing
from projections.program_rows import ProgramRow
from projections.reuse import ReuseRow, uses_of_entry

LATEST = 10
"""Look-ups that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """All that is known of a program."""

    checked: Checked
    uses: Sequence[ReuseRow]
    """The latest look-ups that came to it."""

    @property
    def row(self) -> ProgramRow:
        """Its row in the index."""
        return self.checked.row

    @property
    def not_used(self) -> str | None:
        """Why it does not answer; None where only a task decides."""
        if self.checked.wrong:
            return "; ".join(f"{step}: {message}" for step, message in self.checked.wrong.items())
        if self.checked.module.status is Status.REVOKED:
            return f"its module was revoked: {self.checked.module.reason}"
        if self.row.validation_status != Status.VERIFIED:
            return f"it is {self.row.validation_status}{f': {self.row.reason}' if self.row.reason else ''}"
        return None


@click.command(
    short_help="One program: its proofs, signature, plan and uses.",
    epilog=examples("precedent programs show 5b0c8b51", "precedent programs show 5b0c8b51 --json | jq .plan"),
)
@click.argument("program", metavar="ID")
@program_keys_option
@invoked
def show(cli: Invocation, program: str, keys: tuple[str, ...]) -> int:
    """Show program ID: the runs that prove it, who signed which statement, its plan, its uses, why it is not used."""
    return complete(_show(cli, program, keys))


async def _show(cli: Invocation, name: str, keys: tuple[str, ...]) -> int:
    async with session(cli, services=False) as connected, checking(connected, keys) as check:
        row = await program_named(connected, name)
        async with connected.database.transaction() as transaction:
            uses = await uses_of_entry(transaction, connected.settings.tenant, row.id, limit=LATEST)
        shown = Shown(checked=await check.check(row), uses=uses)
    cli.output.document(_document(shown))
    cli.output.show(*_rendered(shown))
    return DONE


def _document(shown: Shown) -> dict[str, Any]:
    program, row = shown.checked.program, shown.row
    return {
        **row_document(row),
        "semantic_embedding": row.semantic_embedding,
        "goal": program.offer.goal if program.offer is not None else row.goal,
        "plan_text": program.offer.plan if program.offer is not None else None,
        "literals": program.offer.literals if program.offer is not None else None,
        "cost": program.offer.cost.model_dump() if program.offer is not None else None,
        "proven_by": [proof.model_dump() for proof in program.proofs],
        "statement": statement_of(program.envelope),
        "envelope": program.envelope,
        "as_signed": not shown.checked.wrong if shown.checked.published else None,
        "wrong": dict(shown.checked.wrong),
        "not_used_because": shown.not_used,
        "since_demoted": [proof.model_dump() for proof in program.since],
        "contradicted": sorted(program.contradicted),
        "lookups": [
            {"run": use.run, "at": use.at, "outcome": use.outcome, "score": use.score, "settled": use.settled}
            for use in shown.uses
        ],
    }


def statement_of(envelope: str | None) -> dict[str, Any] | None:
    """What the envelope says, believed or not; None where it cannot be read."""
    try:
        statement = orjson.loads(bytes_of_text(orjson.loads(envelope or "")["payload"]))
    except (ValueError, KeyError, TypeError, ValueNotDecodable):
        return None
    return statement if isinstance(statement, dict) else None


def _rendered(shown: Shown) -> list[RenderableType]:
    program = shown.checked.program
    parts: list[RenderableType] = [Rule(f"program {shown.row.id}", align="left", style="dim"), _head(shown)]
    if program.offer is not None:
        parts += [Rule("plan", align="left", style="dim"), listing(program.offer.plan)]
    if program.proofs:
        parts += [Rule("proven by", align="left", style="dim"), _proofs(program.proofs)]
    if (statement := statement_of(program.envelope)) is not None:
        parts += [Rule(_vouched(shown.checked), align="left", style="dim"), _statement(statement)]
    if shown.uses:
        parts += [Rule("latest look-ups", align="left", style="dim"), _uses(shown.uses)]
    return parts


def _vouched(checked: Checked) -> str:
    believed = "not believed here" if "signature" in checked.wrong else "believed here"
    return f"signed by {checked.row.signed_by}, {believed}"


def _head(shown: Shown) -> Table:
    row, program = shown.row, shown.checked.program
    offer = program.offer
    effects = ", ".join(f"{each['name']}@{each['version']} ({each['mode']})" for each in row.effects)
    did = [
        counted(row.uses, "use"), f"{row.successes} well", f"{row.failures} failed", f"{row.refutations} refuted",
        f"{counted(row.agreements + row.disagreements, 'comparison')}, {row.disagreements} differed",
    ]  # fmt: skip
    saved = f"{counted(row.saved_tokens, 'token')}, {row.saved_usd:.4f} USD, {seconds(row.saved_seconds)}"
    used = "never" if row.last_used_timestamp is None else f"{row.last_used_timestamp:%Y-%m-%d %H:%M:%S} UTC"
    lines = {
        "goal": Text(offer.goal if offer is not None else row.goal),
        "status": Text(row.validation_status, STYLES.get(row.validation_status, "")),
        "not used": Text(shown.not_used or "", "yellow"),
        "namespace": Text(row.namespace),
        "from run": Text(row.run or "-"),
        "since": Text(f"{row.creation_timestamp:%Y-%m-%d %H:%M:%S} UTC"),
        "last used": Text(used),
        "may call": Text(effects or "nothing"),
        "literals": Text(", ".join(offer.literals) if offer is not None else ""),
        "module": Text(row.module),
        "interface": Text(row.interface_hash),
        "did": Text(", ".join(did)),
        "saved": Text(saved),
        "superseded by": Text(row.superseded_by or ""),
        "since then": Text(_since(program)),
        "not for": Text(_not_for(program)),
    }
    table = _pairs()
    for label, value in lines.items():
        if value.plain:
            table.add_row(Text(label, style="dim"), value)
    return table


def _since(program: Program) -> str:
    if program.status is not Status.DEMOTED:
        return ""
    return f"{counted(len(program.since), 'run')} with different inputs came to it, and did well"


def _not_for(program: Program) -> str:
    many = len(program.contradicted)
    return f"tasks that ask for {counted(many, 'check')} that it fails and was not proven by" if many else ""


def _pairs() -> Table:
    """Names and values; digests go on in the next line on a narrow screen, as they are there to be copied."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _proofs(proofs: Sequence[Proof]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("run", "inputs", "output", "checks", "effects"):
        table.add_column(name, no_wrap=name == "run")
    for proof in proofs:
        table.add_row(proof.run, short(proof.inputs), short(proof.output), str(proof.checks), str(proof.effects))
    return table


def _statement(statement: dict[str, Any]) -> Table:
    table = _pairs()
    for name, value in statement.items():
        said = value if isinstance(value, str) else orjson.dumps(value).decode()
        table.add_row(Text(name, style="dim"), Text(said))
    return table


def _uses(uses: Sequence[ReuseRow]) -> Table:
    table = Table(
        "run", "at (UTC)", "outcome", "similarity", "came of it", box=None, pad_edge=False, header_style="bold"
    )
    for use in uses:
        similarity = "" if use.score is None else f"{use.score:.4f}"
        because = use.reason if use.outcome == "miss" else (use.settled or "")
        table.add_row(use.run, f"{use.at:%Y-%m-%d %H:%M:%S}", use.outcome, similarity, Text(because))
    return table
