"""What is wrong with a text that is no YAML, in one sentence for people."""

from __future__ import annotations

from typing import Final

import yaml

_IN_OUR_WORDS: Final = {
    "mapping values are not allowed here": "no `key: value` can stand here; check the indentation, or quote the text",
    "found character '\\t' that cannot start any token": "a tab; indent with spaces",
    "that cannot start any token": "which begins nothing; put the text in quotes",
    "found unexpected end of stream": "the file ends too early",
    "but found another document": "a second document begins here; one is expected",
    "expected <block end>, but found": "check the indentation: expected the block to go on or end, but found",
    "the node content": "a value",
    "'<stream end>'": "the end of the file",
    "'<block end>'": "the end of the block",
    "'<scalar>'": "a value",
    "'?'": "a key",
}
"""What PyYAML says -> what a person who writes a file is told."""

_UNFINISHED: Final = {
    "while parsing a flow sequence": "[",
    "while parsing a flow mapping": "{",
    "while parsing a block mapping": "map",
    "while parsing a block collection": "list",
    "while scanning a quoted scalar": "quote",
    "while scanning a double-quoted scalar": "quote",
}


def told(error: yaml.YAMLError) -> str:
    """The error with its place, to stand directly behind a file's name: ``, line 2, column 5: …``."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f", {_place(error.problem_mark)}: {_in_our_words(error.problem or 'this is no YAML')}{_begun(error)}"
    if isinstance(error, yaml.reader.ReaderError):
        return f": the character {chr(error.character)!r} at position {error.position} cannot stand in YAML"
    return f": this is no YAML: {' '.join(str(error).split())}"


def _begun(error: yaml.MarkedYAMLError) -> str:
    """Where that begins in which the error is."""
    what = _UNFINISHED.get(error.context or "")
    if what is None or error.context_mark is None:
        return ""
    return f", in the {what} that begins at {_place(error.context_mark)}"


def _place(mark: yaml.Mark) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}"


def _in_our_words(problem: str) -> str:
    for theirs, ours in _IN_OUR_WORDS.items():
        problem = problem.replace(theirs, ours)
    return problem
