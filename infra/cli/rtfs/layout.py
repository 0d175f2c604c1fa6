"""``rtfs fmt``: plans in their one layout, written in place."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from typing import Any, Final

import click
from rich.text import Text

from domain.kernel.errors import PrecedentError
from domain.rtfs.formatting import WIDTH, format_source
from infra.cli.documents import DocumentInvalid, source_of
from infra.cli.errors import tell_error
from infra.cli.exits import DONE, INVALID, NO
from infra.cli.invocation import Invocation, examples, invoked
from infra.cli.output import counted
from infra.cli.rtfs.plans import TASK_FILES

_DIFF_STYLES: Final = {"+": "green", "-": "red", "@": "cyan"}


@dataclass(slots=True)
class Laid:
    """What became of one file."""

    file: str
    before: str = ""
    after: str = ""
    error: PrecedentError | None = None

    @property
    def changes(self) -> bool:
        """Whether the layout differs from what is in the file."""
        return self.error is None and self.before != self.after

    def diff(self) -> list[str]:
        """Lines of a unified diff."""
        before, after = self.before.splitlines(), self.after.splitlines()
        return list(unified_diff(before, after, self.file, f"{self.file} laid out", lineterm=""))

    def document(self) -> dict[str, Any]:
        """For JSON."""
        error = None if self.error is None else {"code": self.error.code, "message": str(self.error)}
        return {"file": self.file, "changes": self.changes, "error": error}


@click.command(
    epilog=examples(
        "precedent rtfs fmt plan.rtfs",
        "precedent rtfs fmt --check --diff plans/",
        "precedent rtfs fmt - < plan.rtfs",
    ),
)
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--check", is_flag=True, help="Write nothing; exit code 1 where a file is laid out otherwise.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change.")
@click.option(
    "--width", type=click.IntRange(min=20, max=1000), default=WIDTH, show_default=True, help="Characters of a line."
)
@invoked
def fmt(cli: Invocation, files: tuple[str, ...], check: bool, diff: bool, width: int) -> int:
    """Lay out the plans in FILEs, folders with *.rtfs files among them; - lays out stdin to stdout.

    Comments stay, the meaning stays, and laying out twice gives the same. Exit code 2 where a file cannot be read or
    is no RTFS; the others are laid out nevertheless.
    """
    laid = [_lay_out(file, width) for given in files for file in _within(given)]
    for each in laid:
        if each.error is None and each.changes and diff:
            cli.output.show(*(Text(line, _DIFF_STYLES.get(line[:1], "")) for line in each.diff()))
        if each.error is None and each.changes and not (check or diff) and each.file != "-":
            _write(each)
        if each.error is not None:
            tell_error(cli.output, f"{each.file}: {each.error}")
    cli.output.document({"files": [each.document() for each in laid]})
    for each in laid:
        if each.file == "-" and each.error is None and not (check or diff or cli.output.as_json):
            sys.stdout.write(each.after)
    _summarise(cli, laid, wrote=not (check or diff))
    if any(each.error is not None for each in laid):
        return INVALID
    return NO if (check or diff) and any(each.changes for each in laid) else DONE


def _within(given: str) -> list[str]:
    if given == "-" or not Path(given).is_dir():
        return [given]
    found = sorted(str(path) for path in Path(given).rglob("*.rtfs"))
    if not found:
        raise DocumentInvalid(f"{given}: there is no *.rtfs file in this folder; name a file")
    return found


def _lay_out(file: str, width: int) -> Laid:
    laid = Laid(file)
    try:
        if file.endswith(TASK_FILES):
            raise DocumentInvalid(
                "this is a task file; only *.rtfs files are laid out: pipe its plan through `rtfs fmt -`"
            )
        laid.before = source_of(file)
        laid.after = format_source(laid.before, width)
    except PrecedentError as error:
        laid.error = error
    return laid


def _write(laid: Laid) -> None:
    """Replace the file at once, so that nobody ever reads half of it."""
    path = Path(laid.file).resolve()
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".fmt-", delete=False) as new:
            new.write(laid.after.encode())
        made = Path(new.name)
        try:
            made.chmod(path.stat().st_mode & 0o7777)
            made.replace(path)
        finally:
            made.unlink(missing_ok=True)
    except OSError as problem:
        laid.error = DocumentInvalid(f"{problem.strerror}; name a file that can be written")


def _summarise(cli: Invocation, laid: list[Laid], *, wrote: bool) -> None:
    changed = [each for each in laid if each.changes and each.file != "-"]
    verb = "laid out" if wrote else "to be laid out"
    for each in changed:
        cli.output.note(f"{verb}: {each.file}")
    if not changed and all(each.error is None for each in laid) and any(each.file != "-" for each in laid):
        cli.output.note(f"{counted(len(laid), 'file')} laid out already")
