"""``programs``: what was published to be used in place of a model, how it did, and whether it is what was signed."""

from __future__ import annotations

import click

from infra.cli.invocation import examples
from infra.cli.programs.listing import ls
from infra.cli.programs.showing import show
from infra.cli.programs.verifying import verify
from infra.cli.programs.withdrawing import demote, reinstate, revoke, supersede


@click.group(
    epilog=examples(
        "precedent programs ls",
        "precedent programs show 5b0c8b51",
        "precedent programs verify --all",
        'precedent programs revoke 5b0c8b51 --reason "it leaks"',
    )
)
def programs() -> None:
    """The programs that solved a task and may solve it again, in place of a model.

    ID is the id of a program, or the beginning of one that is the only one to begin so.
    """


for _command in (ls, show, verify, demote, reinstate, supersede, revoke):
    programs.add_command(_command)
