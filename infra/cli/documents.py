"""Files and texts that people give: JSON and YAML, with the place of what is wrong."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

import yaml

from domain.kernel.errors import InvalidInput
from domain.rtfs.source import decode
from domain.runs.task import TaskFile, TaskInvalid
from infra.settings.yaml_error import told


class DocumentInvalid(InvalidInput):
    """Correct the file at the place that the message names; nothing was sent."""

    code = "input.document"


def text_of(file: str) -> str:
    """Text of a file, of stdin where it is named ``-``. Raises ``DocumentInvalid``."""
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")
    except UnicodeDecodeError as error:
        raise DocumentInvalid(f"{file}: this is not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise DocumentInvalid(f"{file}: {error.strerror}; name a file that can be read, or - for stdin") from None


def source_of(file: str) -> str:
    """Text of a program, no character changed. Raises ``DocumentInvalid``, and ``ReadError`` for what is no UTF-8."""
    try:
        return decode(sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes())
    except OSError as error:
        raise DocumentInvalid(f"{file}: {error.strerror}; name a file that can be read, or - for stdin") from None


def write_document(path: Path, data: bytes) -> None:
    """Write a file that was asked for, ``-`` being stdout. Raises ``DocumentInvalid``."""
    try:
        if str(path) == "-":
            sys.stdout.buffer.write(data)
        else:
            path.write_bytes(data)
    except OSError as error:
        raise DocumentInvalid(f"{path}: {error.strerror}; name a file that can be written") from None


def json_of(text: str, name: str) -> Any:
    """Parsed JSON. Raises ``DocumentInvalid`` with line and column."""
    try:
        return json.loads(text, parse_constant=lambda word: _refuse(name, f"{word} is no JSON"))
    except json.JSONDecodeError as error:
        raise DocumentInvalid(
            f"{name}, line {error.lineno}, column {error.colno}: {_in_our_words(error.msg)}"
        ) from None
    except RecursionError:
        raise DocumentInvalid(f"{name}: it is nested too deeply") from None


def _in_our_words(message: str) -> str:
    """What Python says of a text that is no JSON, as far as there are better words."""
    return _JSON_WORDS.get(message, f"this is no JSON: {message[:1].lower()}{message[1:]}")


_JSON_WORDS: Final = {
    "Expecting value": 'no JSON value begins here; text stands in "double quotes"',
    "Expecting property name enclosed in double quotes": 'a key in "double quotes" is missing here',
    "Expecting ',' delimiter": "a comma or a closing bracket is missing here",
    "Expecting ':' delimiter": "a colon is missing here, between key and value",
    "Extra data": "the JSON ends before this; one value is wanted",
    "Unterminated string starting at": "the text that begins here is never closed",
}


def yaml_of(text: str, name: str) -> Any:
    """Parsed YAML as JSON data: dates become their ISO text. Raises ``DocumentInvalid`` with line and column."""
    try:
        parsed = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise DocumentInvalid(f"{name}{told(error)}") from None
    except (RecursionError, ValueError) as error:
        raise DocumentInvalid(f"{name}: {error}") from None
    return _as_json(parsed, name, "")


def task_of(text: str, name: str) -> dict[str, Any]:
    """The task in a YAML text. Raises ``DocumentInvalid``, ``TaskInvalid`` with every wrong field."""
    document = yaml_of(text, name)
    if document is None:
        raise DocumentInvalid(f"{name}: it is empty; a task has at least a goal, as docs/tasks.md shows")
    try:
        TaskFile.read(document)
    except TaskInvalid as error:
        raise TaskInvalid("\n".join(f"{name}: {line}" for line in str(error).splitlines())) from None
    return dict(document)


def _as_json(value: Any, name: str, path: str) -> Any:
    if isinstance(value, Mapping):
        return {
            _key(key, name, path): _as_json(item, name, f"{path}.{key}" if path else str(key))
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_as_json(item, name, f"{path}.{index}") for index, item in enumerate(value)]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        _refuse(name, f"{path}: {value} cannot travel as JSON; give it as a string or leave it out")
    if value is None or isinstance(value, str | bool | int | float):
        return value
    return _refuse(name, f"{path}: {type(value).__name__} is no JSON; use text, numbers, lists and maps")


def _key(key: Any, name: str, path: str) -> str:
    if isinstance(key, str | bool | int):
        return str(key)
    return _refuse(name, f"{path or 'the document'}: {key!r} cannot be a key; use text")  # type: ignore[no-any-return]


def _refuse(name: str, problem: str) -> Any:
    raise DocumentInvalid(f"{name}: {problem}")
