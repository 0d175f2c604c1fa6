"""What is wrong with a command line, in our words: the thing, the value, the way out."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from typing import Final

import click

_EXTRA: Final = re.compile(r"Got unexpected extra arguments? \((.*)\)")
_RANGE: Final = re.compile(r"(?P<value>\S+) is not in the range (?P<range>.+?)\.?")
_NO_NUMBER: Final = re.compile(r"'(?P<value>.*)' is not a valid (?P<kind>[a-z ]+)\.?", re.DOTALL)
_NO_CHOICE: Final = re.compile(r"'(?P<value>.*)' is not one of (?P<known>.+?)\.?", re.DOTALL)
_NO_COMMAND: Final = re.compile(r"No such command '(?P<name>.*?)'\..*", re.DOTALL)
_NEEDS_VALUE: Final = re.compile(r"Option '(?P<name>\S+)' requires (?:an argument|(?P<count>\d+) arguments)\.?")
_NO_VALUE: Final = re.compile(r"Option '(?P<name>\S+)' does not take a value\.?")
_LONGEST: Final = 80


def wrong_usage(error: click.UsageError, everywhere: Collection[str]) -> str:
    """An error of the command line as one sentence of one line; ``everywhere`` are options that all commands take."""
    path = "precedent" if error.ctx is None else error.ctx.command_path
    message = " ".join(_told(error, path, everywhere).split()).rstrip(".")
    if error.ctx is None or "`" in message.partition(";")[2] or message.endswith(("?", "`")):
        return message
    return f"{message}; see `{path} --help`"


def _told(error: click.UsageError, path: str, everywhere: Collection[str]) -> str:
    if isinstance(error, click.MissingParameter) and error.param is not None:
        metavar = error.param.metavar if isinstance(error.param, click.Option) else None
        return f"`{path}` needs {_named(error.param)}{f' {metavar}' if metavar else ''}"
    if isinstance(error, click.NoSuchOption):
        return _no_option(error, path, everywhere)
    if isinstance(error, click.BadParameter) and error.param is not None:
        return _bad_value(error, error.param)
    message = error.message
    if found := _EXTRA.fullmatch(message):
        return f"`{path}` takes nothing behind its arguments, and there is {_quoted(found[1])}"
    if (found := _NO_COMMAND.fullmatch(message)) and isinstance(error.ctx and error.ctx.command, click.Group):
        assert error.ctx is not None, "it was looked at"
        group = error.ctx.command
        assert isinstance(group, click.Group), "it was looked at"
        return (
            f"`{path}` has no command {_quoted(found['name'])}{_meant(found['name'], group.list_commands(error.ctx))}"
        )
    if found := _NEEDS_VALUE.fullmatch(message):
        return f"{found['name']} needs {found['count'] or 'a value'}{' values' if found['count'] else ''}"
    if found := _NO_VALUE.fullmatch(message):
        return f"{found['name']} takes no value"
    return error.format_message()


def _no_option(error: click.NoSuchOption, path: str, everywhere: Collection[str]) -> str:
    if error.ctx is not None and error.ctx.parent is None and error.option_name in everywhere:
        return f"{error.option_name} goes after the command, as in `precedent runs {error.option_name}`"
    meant = " or ".join(sorted(error.possibilities or ()))
    return f"`{path}` has no option {error.option_name}{f'; did you mean {meant}?' if meant else ''}"


def _bad_value(error: click.BadParameter, param: click.Parameter) -> str:
    name, message, kind = _named(param), error.message, param.type
    if (found := _RANGE.fullmatch(message)) and isinstance(kind, click.IntRange | click.FloatRange):
        return f"{name} {found['value']}: give {_bounds(kind)}"
    if found := _NO_NUMBER.fullmatch(message):
        wanted = _bounds(kind) if isinstance(kind, click.IntRange | click.FloatRange) else f"a {found['kind']}"
        return f"{name} {_quoted(found['value'])}: give {wanted}"
    if (found := _NO_CHOICE.fullmatch(message)) and isinstance(kind, click.Choice):
        known = [str(each) for each in kind.choices]
        return f"{name} {_quoted(found['value'])}: give one of {', '.join(known)}{_meant(found['value'], known)}"
    return f"{name}: {message}"


def _bounds(kind: click.IntRange | click.FloatRange) -> str:
    noun = "a whole number" if isinstance(kind, click.IntRange) else "a number"
    if kind.min is not None and kind.max is not None:
        return f"{noun} from {kind.min:g} to {kind.max:g}"
    least = "above" if kind.min_open else "of at least"
    most = "below" if kind.max_open else "of at most"
    return f"{noun} {least} {kind.min:g}" if kind.min is not None else f"{noun} {most} {kind.max:g}"


def _named(param: click.Parameter) -> str:
    if isinstance(param, click.Option):
        return max(param.opts, key=len)
    return param.human_readable_name


def _meant(given: str, known: Iterable[str]) -> str:
    close = get_close_matches(given, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _quoted(value: str) -> str:
    cut = value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…"
    return repr(cut) if not cut.startswith("'") else cut
