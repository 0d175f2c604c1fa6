"""``bench``: figures of this machine. Each benchmark is a package ``infra.bench.NAME`` with a ``command``."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import Any, Final

import click

import infra.bench
from infra.cli.exits import DONE, NO
from infra.cli.invocation import Invocation, WholeNumber, examples, invoked

ALL: Final = "all"
NAMES: Final = tuple(sorted(found.name for found in pkgutil.iter_modules(infra.bench.__path__) if found.ispkg))

ON_DATA: Final = frozenset({"semantic"})
"""Benchmarks on data that is fetched by hand, since its licence or place is another's."""

KEPT: Final = frozenset({"bfcl"})
"""Benchmarks whose deployment may stay."""

OF_REUSE: Final = frozenset({"reuse"})
"""Benchmarks that are run at given similarities, and in several ways when all are wanted."""


@click.command(
    epilog=examples(
        "precedent bench bfcl",
        "precedent bench bfcl --entries 50 --json",
        "precedent bench bfcl --keep /tmp/bfcl",
        "precedent bench reuse --similarity 0.99 --similarity 0.95",
        "precedent bench semantic --data data_full.json",
        "precedent bench all",
    )
)
@click.argument("name", type=click.Choice([*NAMES, ALL]))
@click.option("--entries", type=WholeNumber(min=1), metavar="N", help="The first N entries of the workload only.")
@click.option("--data", type=click.Path(path_type=Path), metavar="FILE", help="What the benchmark semantic runs on.")
@click.option(
    "--similarity",
    "similarities",
    type=click.FloatRange(0.5, 1.0),
    multiple=True,
    metavar="X",
    help="Of goals, from which on the benchmark reuse has a program answer. May be given again: each runs apart.",
)
@click.option(
    "--thorough",
    is_flag=True,
    help="The benchmark reuse in every way: also by turns, with like questions, without programs.",
)
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="With bfcl: leave its servers' data there, with a configuration that has its tools.",
)
@invoked
def bench(
    cli: Invocation,
    name: str,
    *,
    entries: int | None,
    data: Path | None,
    similarities: tuple[float, ...],
    thorough: bool,
    keep: Path | None,
) -> int:
    """Run benchmark NAME on servers of its own, and print its figures as a table or as JSON.

    Exit code 1: a figure that must hold (every run right, every replay identical or explained) does not.
    """
    if keep is not None and name not in KEPT:
        raise click.UsageError(f"--keep goes with {', '.join(sorted(KEPT))}")
    passed = True
    for each in NAMES if name == ALL else (name,):
        options: dict[str, Any] = {"data": data} if each in ON_DATA else {}
        if each in OF_REUSE:
            options = {"similarities": similarities, "thorough": thorough}
        if each in KEPT:
            options = {"keep": keep}
        if name == ALL and each in ON_DATA and None in options.values():
            cli.output.note(f"{each} is skipped: it needs --data")
            continue
        command = importlib.import_module(f"infra.bench.{each}.command")
        passed = command.bench(as_json=cli.output.as_json, entries=entries, **options) and passed
    return DONE if passed else NO
