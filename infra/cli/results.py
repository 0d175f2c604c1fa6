"""What a run gave, on the screen: a table where it is a map or a vector of maps."""

from __future__ import annotations

from typing import Any, Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from domain.kernel.values import Value, decode
from domain.rtfs.types import plain

MOST_ROWS: Final = 40
"""Rows of one table; --json has all."""

MOST_NESTED: Final = 12
"""Entries of a map or vector inside another."""


def render_result(output: Any) -> RenderableType:
    """An encoded output for people."""
    value = plain(decode(output))
    if isinstance(value, dict) and value:
        return _map(value, MOST_ROWS)
    if _is_records(value):
        return _records(value, MOST_ROWS)
    return _cell(value)


def plain_output(output: Any) -> Any:
    """An encoded output as plain JSON."""
    value: Value = decode(output)
    return plain(value)


def _is_records(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) and item for item in value)


def _map(value: dict[str, Any], most: int) -> Table:
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for key, item in list(value.items())[:most]:
        table.add_row(key, _nested(item))
    if len(value) > most:
        table.add_row("…", Text(f"{len(value) - most} more", style="dim"))
    return table


def _records(value: list[dict[str, Any]], most: int) -> Table:
    columns = list(dict.fromkeys(key for item in value for key in item))
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for item in value[:most]:
        table.add_row(*(_cell(item[key]) if key in item else Text("-", style="dim") for key in columns))
    if len(value) > most:
        table.caption = f"{len(value) - most} more"
        table.caption_justify = "left"
    return table


def _nested(value: Any) -> RenderableType:
    if isinstance(value, dict) and value and len(value) > 1:
        return _map(value, MOST_NESTED)
    if _is_records(value):
        return _records(value, MOST_NESTED)
    return _cell(value)


def _cell(value: Any) -> Text:
    if isinstance(value, str):
        return Text(value)
    if value is None:
        return Text("nil", style="dim")
    if isinstance(value, bool):
        return Text(str(value).lower())
    if isinstance(value, list):
        shown = ", ".join(_cell(item).plain for item in value[:MOST_NESTED])
        return Text(f"{shown}, … {len(value) - MOST_NESTED} more" if len(value) > MOST_NESTED else shown or "none")
    if isinstance(value, dict):
        return Text(", ".join(f"{key}: {_cell(item).plain}" for key, item in value.items()) or "none")
    return Text(f"{value:,}" if isinstance(value, int) else str(value))
