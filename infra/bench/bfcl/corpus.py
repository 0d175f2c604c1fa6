"""The multi-turn entries of BFCL v4 as data, read from the installed ``bfcl-eval`` package without importing it.

Format and data: Berkeley Function-Calling Leaderboard v4, PyPI ``bfcl-eval``, Apache-2.0. An entry is one line of
``data/BFCL_v4_multi_turn_<category>.json``; its ground truth, calls written as Python text, is the line of the same
id in ``data/possible_answer/``. The text is parsed with ``ast`` and never evaluated.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Final

import orjson

from domain.kernel.errors import NotFound, StoredDataInvalid

DISTRIBUTION: Final = "bfcl-eval"
RELEASE: Final = "2026.3.23"
"""The release whose entries and classes the figures are for."""

CATEGORIES: Final = ("base", "miss_func", "miss_param", "long_context")


class CorpusMissing(NotFound):
    """Install the corpus with the command in the message (``make bench`` does); nothing else is missing."""

    code = "bench.corpus-missing"


class CorpusInvalid(StoredDataInvalid):
    """The installed corpus is not in the expected form: install the release that the message names."""

    code = "bench.corpus-invalid"


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the ground truth: a method's name and literal arguments."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """One conversation: the classes it works on, how they start, and the right calls of every turn."""

    id: str
    classes: tuple[str, ...]
    """Class names in the order in which the package makes them; of equal method names the last class wins."""
    config: str
    """JSON text of the initial configuration by class name. Text, because the order of its keys has a meaning (a
    directory lists its files in that order) and a map of the language has none."""
    long_context: bool
    turns: tuple[tuple[Call, ...], ...]
    asked: tuple[tuple[str, ...], ...] = ()
    """What the user says in each turn; nothing in a turn where functions are added instead."""
    withheld: frozenset[str] = frozenset()
    """Methods of the classes that the entry never has."""

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls of all turns in order."""
        return tuple(call for turn in self.turns for call in turn)


@dataclass(frozen=True, slots=True)
class Corpus:
    """Where the package lies, and which release it is."""

    root: Path
    release: str

    def entries(self, categories: Sequence[str] = CATEGORIES) -> Iterator[Entry]:
        """Every entry of these categories in file order. Raises ``CorpusInvalid``."""
        for category in categories:
            yield from self._category(category)

    def _category(self, category: str) -> Iterator[Entry]:
        name = f"BFCL_v4_multi_turn_{category}.json"
        answers = {answer["id"]: answer for answer in _lines(self.root / "data" / "possible_answer" / name)}
        for line in _lines(self.root / "data" / name):
            answer = answers.get(line["id"])
            if answer is None:
                raise CorpusInvalid(f"{name}: entry {line['id']} has no ground truth; {_advice()}")
            yield parse_entry(line, answer["ground_truth"])


def locate() -> Corpus:
    """Find the installed package from its metadata alone. Raises ``CorpusMissing``."""
    try:
        found = distribution(DISTRIBUTION)
    except PackageNotFoundError as error:
        raise CorpusMissing(f"the package {DISTRIBUTION} is not installed; {_advice()}") from error
    return Corpus(Path(str(found.locate_file("bfcl_eval"))), found.version)


def _advice() -> str:
    return f"install it with: pip install --no-deps {DISTRIBUTION}=={RELEASE}"


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise CorpusMissing(f"{path.name} cannot be read ({error}); {_advice()}") from error
    for number, line in enumerate(text.splitlines(), 1):
        try:
            yield orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise CorpusInvalid(f"{path.name}, line {number} is no JSON ({error}); {_advice()}") from error


def parse_entry(line: dict[str, Any], ground_truth: Sequence[Sequence[str]]) -> Entry:
    """Make an entry of its line and its ground truth. Raises ``CorpusInvalid``."""
    return Entry(
        id=line["id"],
        classes=tuple(line["involved_classes"]),
        config=orjson.dumps(line["initial_config"]).decode(),
        # The package derives it from the category in the id in the same way.
        long_context="long_context" in line["id"],
        turns=tuple(tuple(parse_call(text) for text in turn) for turn in ground_truth),
        asked=tuple(tuple(message["content"] for message in turn) for turn in line.get("question", ())),
        withheld=frozenset(line.get("excluded_function", ())),
    )


def parse_call(text: str) -> Call:
    """Parse ``name(1, key='value')``. Raises ``CorpusInvalid`` for anything but a call with literal arguments."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name):
            raise CorpusInvalid(f"{text!r} is no plain call of a method")
        args = tuple(ast.literal_eval(argument) for argument in tree.args)
        kwargs = {keyword.arg: ast.literal_eval(keyword.value) for keyword in tree.keywords if keyword.arg is not None}
    except (SyntaxError, ValueError) as error:
        raise CorpusInvalid(f"{text!r} is no call with literal arguments: {error}") from error
    if len(kwargs) != len(tree.keywords):
        raise CorpusInvalid(f"{text!r} spreads a map over its arguments, which literals need not")
    return Call(tree.func.id, args, kwargs)
