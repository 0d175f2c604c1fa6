"""CLINC150 as requests with a known right answer: short utterances, each labelled with its intent.

Data: Larson et al., "An Evaluation Dataset for Intent Classification and Out-of-Scope Prediction", EMNLP-IJCNLP 2019,
https://github.com/clinc/oos-eval, ``data/data_full.json``, CC BY 3.0. One JSON object: for each split a list of
[utterance, intent]. An out-of-scope utterance belongs to no intent: nobody else's answer is right for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Final

import orjson

from domain.kernel.errors import NotFound, StoredDataInvalid

SPLITS: Final = ("train", "val", "test", "oos_train", "oos_val", "oos_test")
OUT_OF_SCOPE: Final = "oos"
LENGTH: Final = 16_000
"""Requests in the stream that is reported."""

WHERE: Final = "download data/data_full.json of https://github.com/clinc/oos-eval (CC BY 3.0) and give it with --data"


class DataMissing(NotFound):
    """Fetch the file that the message names and give its path; nothing else is missing."""

    code = "bench.data-missing"


class DataInvalid(StoredDataInvalid):
    """The file is not the published one: download it again."""

    code = "bench.data-invalid"


@dataclass(frozen=True, slots=True)
class Request:
    """One utterance, and what is right for it."""

    text: str
    answer: str
    """The intent; for an out-of-scope utterance something that no other request has."""
    split: str


def read(path: Path) -> Mapping[str, Sequence[Request]]:
    """Requests by split. Raises ``DataMissing``, ``DataInvalid``."""
    try:
        document = orjson.loads(path.read_bytes())
    except OSError as error:
        raise DataMissing(f"{path} cannot be read ({error.strerror}): {WHERE}") from error
    except orjson.JSONDecodeError as error:
        raise DataInvalid(f"{path} is no JSON ({error}): {WHERE}") from error
    if not isinstance(document, dict) or not set(SPLITS) <= set(document):
        raise DataInvalid(f"{path} has not the splits {', '.join(SPLITS)}: {WHERE}")
    return {split: [_request(path, split, n, row) for n, row in enumerate(document[split])] for split in SPLITS}


def _request(path: Path, split: str, number: int, row: object) -> Request:
    if not (isinstance(row, list) and len(row) == 2 and all(isinstance(part, str) and part for part in row)):
        raise DataInvalid(f"{path}, {split}, row {number} is no pair of utterance and intent: {WHERE}")
    text, intent = row
    return Request(text, f"{split} {number}" if intent == OUT_OF_SCOPE else intent, split)


def reported(data: Mapping[str, Sequence[Request]], seed: int) -> list[Request]:
    """The stream that figures are reported for: ``test`` and ``oos_test``, filled up from the first part of ``train``.

    No row of it is in a stream of ``development``, on which every constant of the rule was chosen.
    """
    unseen = [*data["test"], *data["oos_test"]]
    return _shuffled([*unseen, *_by_digest(data["train"])[: max(0, LENGTH - len(unseen))]], seed)


def development(data: Mapping[str, Sequence[Request]], seed: int) -> list[Request]:
    """A stream to choose constants on: ``val``, ``oos_train``, ``oos_val`` and the rest of ``train``."""
    taken = max(0, LENGTH - len(data["test"]) - len(data["oos_test"]))
    rest = _by_digest(data["train"])[taken:]
    return _shuffled([*data["val"], *data["oos_train"], *data["oos_val"], *rest], seed)


def _by_digest(requests: Sequence[Request]) -> list[Request]:
    return sorted(requests, key=lambda request: sha256(request.text.encode()).digest())


def _shuffled(requests: list[Request], seed: int) -> list[Request]:
    Random(seed).shuffle(requests)  # noqa: S311  # an order, not a secret
    return requests
