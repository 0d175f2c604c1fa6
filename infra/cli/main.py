"""``precedent``: the table of commands, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Final, NamedTuple

import click

from domain.kernel.errors import PrecedentError
from infra.cli import exits
from infra.cli.usage import wrong_usage


class Listed(NamedTuple):
    """One command: where it is, and its line in ``--help``. Only the one that is called is imported."""

    module: str
    line: str


COMMANDS: Final[Mapping[str, Mapping[str, Listed]]] = {
    "Tasks and runs": {
        "demo": Listed("demo", "Run a real task, watch it, and replay it."),
        "run": Listed("run", "Submit a task, follow its run, print the result."),
        "submit": Listed("run", "Submit a task and return at once."),
        "runs": Listed("runs", "List runs, the newest first."),
        "show": Listed("show", "Everything about one run."),
        "decisions": Listed("show", "Who chose what in a run, among which options, and why."),
        "replay": Listed("replay", "Verify a recorded run or all of them, or look at one as of an event."),
        "replays": Listed("replays", "Who replayed what, and what came of it."),
        "fork": Listed("fork", "Begin a run that inherits another's first answers, with something changed."),
        "diff": Listed("diff", "Compare two runs: the first difference, and its consequences."),
    },
    "Steering": {
        "approve": Listed("steering", "Let an effect that waits for a person happen, or refuse it."),
        "resolve": Listed("steering", "Say what became of an effect whose outcome is unknown."),
        "pause": Listed("steering", "Stop a run before its next effect."),
        "resume": Listed("steering", "Go on with a paused run."),
        "cancel": Listed("steering", "End a run without a result."),
        "publish": Listed("publish", "Send any command as JSON; print the answer."),
    },
    "The log and what is made of it": {
        "events": Listed("events", "Print events as they are stored, one a line."),
        "audit": Listed("audit", "Verify that the record is whole; export what proves it."),
        "epochs": Listed("epochs", "The parts of the log: close one, archive it, take it out of the broker."),
        "rebuild": Listed("rebuild", "Build a projection anew from the first event."),
        "dead": Listed("dead", "Messages that nobody could handle."),
        "explain": Listed("explain", "What happens when a command arrives, from the catalogs."),
    },
    "Programs, tools and agents": {
        "rtfs": Listed("rtfs", "Check, lay out, run and explain plans; look up the language."),
        "programs": Listed("programs", "Programs that answer in place of a model: list, show, verify, withdraw."),
        "cache": Listed("cache", "What is reused: hit rates, entries, invalidation, feedback."),
        "tools": Listed("tools", "The tools that plans may call."),
        "agents": Listed("agents", "The agents written in Python that tasks may name."),
    },
    "Operation": {
        "up": Listed("stack", "Start the broker, the database and the services."),
        "down": Listed("stack", "Stop what `up` started."),
        "status": Listed("stack", "What runs, and how far the read side has come."),
        "backup": Listed("backup", "Write all that cannot be made again to one file."),
        "restore": Listed("restore", "Make a deployment out of a backup, verified."),
        "config": Listed("config", "The settings in force."),
        "bench": Listed("bench", "Measure on this machine."),
    },
}

COMMON_OPTIONS: Final = ("--json", "--tenant", "--config")
"""What every command takes, behind its name."""

_TABLE: Final = {name: listed for section in COMMANDS.values() for name, listed in section.items()}


class Commands(click.Group):
    """Imports a command when it is called: most of them need half of the product, ``--help`` none of it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's interface
        """Names in the order of the table."""
        return list(_TABLE)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of this name."""
        listed = _TABLE.get(cmd_name)
        if listed is None:
            return None
        command = getattr(importlib.import_module(f"infra.cli.{listed.module}"), cmd_name)
        assert isinstance(command, click.Command), "the table names commands"
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, and say what may have been meant."""
        if args and args[0] not in _TABLE and not args[0].startswith("-"):
            close = get_close_matches(args[0], _TABLE, n=1)
            meant = f"did you mean `precedent {close[0]}`?" if close else "`precedent --help` lists them"
            raise click.UsageError(f"there is no command {args[0]!r}; {meant}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The table, by section."""
        for title, section in COMMANDS.items():
            with formatter.section(title):
                formatter.write_dl([(name, listed.line) for name, listed in section.items()])


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExamples:\n  precedent demo\n  precedent run examples/word-count.yaml\n  precedent show RUN",
)
@click.version_option(package_name="precedent")
def cli() -> None:
    """Every decision, model call and tool call of an AI agent, on an immutable log, replayed byte for byte.

    Commands start the broker, the database and the services for themselves where none run; keep them running with
    `precedent up --detach`. Every command takes --json, --tenant and --config, and has examples in its --help.

    Exit codes: 0 done, 1 the run failed or the answer is no, 2 wrong usage or input, 3 a replay diverged, 4 stored data
    is not what it claims, 5 a service does not answer, 6 denied, 130 interrupted.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (that of this process, when None) and give its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if "" not in sys.path:
        # Workers run as `python -m` and so import tool modules of the working directory; behind what is installed here.
        sys.path.append("")
    try:
        code = _run(given)
        sys.stdout.flush()
    except (BrokenPipeError, exits.ReaderGone):
        _forget_stdout()
        return exits.READER_GONE
    return code


def _run(given: list[str]) -> int:
    as_json = "--json" in given
    try:
        code = cli.main(given, prog_name="precedent", standalone_mode=False)
    except PrecedentError as error:
        return _failed(error.code, str(error), as_json=as_json)
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        return exits.INVALID
    except click.UsageError as error:
        return _failed("usage", wrong_usage(error, COMMON_OPTIONS), as_json=as_json)
    except click.ClickException as error:
        return _failed("usage", error.format_message(), as_json=as_json)
    except (KeyboardInterrupt, click.Abort):
        return exits.INTERRUPTED
    except exits.Terminated:
        return exits.TERMINATED
    return code if isinstance(code, int) else exits.DONE


def _failed(code: str, message: str, *, as_json: bool) -> int:
    from infra.cli.errors import print_error  # noqa: PLC0415  # `--help` starts faster without it

    return print_error(code, message, as_json=as_json)


def _forget_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush finds nobody to complain to."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
    except (OSError, ValueError):
        return
