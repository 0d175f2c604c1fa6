"""What an audit found, for people and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from domain.ledger.auditing import Finding, Report
from infra.cli.output import Output, counted

SHOWN = 20
"""Findings that are shown for people; ``--json`` has all that are kept."""


def show_report(output: Output, report: Report) -> None:
    """Print the report of an audit."""
    output.document(
        {
            "sound": report.sound,
            "events": report.events,
            "covered": report.covered,
            "uncovered": report.uncovered,
            "checkpoints": report.checkpoints,
            "root": report.root.hex(),
            "findings": [finding_document(each) for each in report.findings],
            "more": report.more,
        }
    )
    if report.sound:
        output.show(
            Text.assemble(
                ("whole", "bold green"),
                f"  {counted(report.events, 'event')}; {counted(report.checkpoints, 'signed checkpoint')} "
                f"{'has' if report.checkpoints == 1 else 'have'} the root of what is there",
            )
        )
        if report.uncovered:
            output.show(Text(f"{counted(report.uncovered, 'event')} at the end not yet under a checkpoint"))
        return
    show_findings(output, report.findings, report.more)


def show_findings(output: Output, findings: Sequence[Finding], more: int) -> None:
    """Print what is wrong, as far as there is room."""
    total = len(findings) + more
    output.show(Text.assemble(("not whole", "bold red"), f"  {counted(total, 'finding')}"))
    table = Table("what", "where", "", box=None, pad_edge=False, header_style="bold")
    for each in findings[:SHOWN]:
        table.add_row(each.kind, _where(each), Text(each.message))
    output.show(table)
    if total > SHOWN:
        output.show(Text(f"and {total - SHOWN} more; --json has up to 1,000", style="dim"))


def _where(finding: Finding) -> str:
    if finding.first is None:
        return ""
    if finding.last is None or finding.last == finding.first:
        return str(finding.first)
    return f"{finding.first} to {finding.last.sequence}"


def finding_document(finding: Finding) -> dict[str, Any]:
    """Give a finding as JSON has it."""
    return {
        "kind": finding.kind,
        "message": finding.message,
        "first": None if finding.first is None else str(finding.first),
        "last": None if finding.last is None else str(finding.last),
    }
