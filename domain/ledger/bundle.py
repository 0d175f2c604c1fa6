"""Audit bundles: one run's events with all that proves them, in one file that needs no server to be verified.

JSON Lines, UTF-8. The first line::

    {"format":"precedent-bundle/1","source":"/acme/run/01JX…","checkpoint":"<signed note>","rotations":["<note>", …],
     "events":7,"content":1}

then a line for each event, in order, then one for each content that they refer to, in order of the digests::

    {"index":11,"subject":"evt.0.acme.run.01JX….1.RunSubmitted","body":"{…}","proof":["<base64 hash>", …]}
    {"content":"sha256:…","data":"<base64>"}

Nothing else is in a line, keys are in this order, and JSON has no blanks: a bundle has one spelling. ``body`` is the
stored text to the byte. An event's position follows from its index and the checkpoint's line ``first``.

What a bundle proves: each event stands at its place in the log that the checkpoint is of, and the run's events from the
first to the last one here are all of them. That the run has no later events is shown only if the last one ends it.
Keys are never taken from a bundle.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, ClassVar, Final

import orjson

from domain.kernel.errors import PrecedentError
from domain.kernel.merkle import HASH_SIZE, leaf_hash, verifies_inclusion
from domain.kernel.values import ValueNotDecodable, bytes_of_text, digest_bytes, text_of_bytes
from domain.ledger.auditing import Finding, Kind
from domain.ledger.checkpoint import MAX_SIZE, Signed
from domain.ledger.events import StreamCarried
from domain.ledger.leaf import leaf_data
from domain.ledger.notes import Note, VerifierKey
from domain.ledger.rotation import successors
from domain.ledger.stored import Rules, Stored

FORMAT: Final = "precedent-bundle/1"

MAX_LINE: Final = 64 * 1024 * 1024
"""Bytes of one line that are read."""

_REFERENCE: Final = re.compile(rb'"\$content":"(sha256:[0-9a-f]{64})"')


class BundleInvalid(PrecedentError):
    """The file is no bundle, or is cut: export it again with ``precedent audit export``."""

    code: ClassVar[str] = "ledger.bundle-invalid"


@dataclass(frozen=True, slots=True)
class Proven:
    """One event and the proof that it is in the log."""

    index: int
    """Leaf of the tree."""
    subject: str
    body: bytes
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle, read but not yet verified."""

    source: str
    checkpoint: str
    rotations: tuple[str, ...]
    events: tuple[Proven, ...]
    content: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verified:
    """What a verification of a bundle found."""

    bundle: Bundle
    signed: Signed | None
    findings: tuple[Finding, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


def written(bundle: Bundle) -> Iterator[bytes]:
    """Give the lines of a bundle, each with its line end."""
    head = {
        "format": FORMAT,
        "source": bundle.source,
        "checkpoint": bundle.checkpoint,
        "rotations": bundle.rotations,
        "events": len(bundle.events),
        "content": len(bundle.content),
    }
    yield orjson.dumps(head) + b"\n"
    for event in bundle.events:
        line = {
            "index": event.index,
            "subject": event.subject,
            "body": event.body.decode(),
            "proof": [text_of_bytes(each) for each in event.proof],
        }
        yield orjson.dumps(line) + b"\n"
    for digest in sorted(bundle.content):
        yield orjson.dumps({"content": digest, "data": text_of_bytes(bundle.content[digest])}) + b"\n"


def read(lines: Iterable[bytes]) -> Bundle:
    """Read a bundle. Raises ``BundleInvalid`` with the number of the line."""
    kept = list(lines)
    documents = (_document(number, line) for number, line in enumerate(kept, start=1))
    number, head = next(documents, (1, {}))
    if head.get("format") != FORMAT:
        told = f", but {head['format']!r:.60}" if "format" in head else ""
        raise BundleInvalid(f"line 1 does not say that this is a {FORMAT}{told}")
    events: list[Proven] = []
    content: dict[str, bytes] = {}
    for number, document in documents:
        try:
            if "content" in document:
                content[_text(document["content"])] = bytes_of_text(_text(document["data"]))
            else:
                events.append(_event(document))
        except (KeyError, TypeError, ValueError, ValueNotDecodable) as problem:
            raise BundleInvalid(f"line {number} is neither an event nor content: {problem}") from None
    if (head.get("events"), head.get("content")) != (len(events), len(content)):
        raise BundleInvalid(
            f"the bundle has {len(events)} events and {len(content)} contents; its first line says "
            f"{head.get('events')} and {head.get('content')}: lines were removed or added"
        )
    try:
        rotations = tuple(_text(each) for each in head["rotations"])
        bundle = Bundle(_text(head["source"]), _text(head["checkpoint"]), rotations, tuple(events), content)
    except (KeyError, TypeError, ValueError) as problem:
        raise BundleInvalid(f"line 1 lacks something: {problem}") from None
    _check_spelling(bundle, kept)
    return bundle


def _check_spelling(bundle: Bundle, lines: Sequence[bytes]) -> None:
    """A bundle has one spelling: what is there twice, unknown or hidden would be proven by nothing."""
    for number, (wanted, line) in enumerate(zip_longest(written(bundle), lines), start=1):
        if line not in (wanted, wanted and wanted[:-1] if number == len(lines) else wanted):
            raise BundleInvalid(
                f"line {number} is not spelled as an export spells it: a key is there twice or unknown, or the order, "
                "blanks, numbers or escapes are others"
            )


def references(body: bytes) -> list[str]:
    """Give the digests of the content that a stored event refers to."""
    return [found.decode() for found in _REFERENCE.findall(body)]


def verify(bundle: Bundle, key: VerifierKey, witnesses: Sequence[VerifierKey] = (), required: int = 0) -> Verified:
    """Verify a bundle with keys that the auditor brings. Nothing raises: all that is wrong is in the findings."""
    try:
        signed = _opened(bundle, key, witnesses, required)
    except PrecedentError as problem:
        return Verified(bundle, None, (Finding(Kind.SIGNATURE, str(problem)),))
    return Verified(bundle, signed, (*_events_wrong(bundle, signed), *_content_wrong(bundle)))


def _opened(bundle: Bundle, key: VerifierKey, witnesses: Sequence[VerifierKey], required: int) -> Signed:
    keys = successors(key, bundle.rotations)
    signing = Note.parse(bundle.checkpoint).signers(keys)  # one that does not fit spoils it, whoever else signed
    return Signed.open(bundle.checkpoint, signing[-1] if signing else keys[-1], witnesses, required)


def _events_wrong(bundle: Bundle, signed: Signed) -> Iterator[Finding]:
    checkpoint = signed.checkpoint
    expected, before = 1, -1
    if not bundle.events:
        yield Finding(Kind.DELETED, "the bundle has no events")
    for event in bundle.events:
        position = checkpoint.position(event.index)
        if event.index <= before:
            yield Finding(Kind.SWAPPED, "the event does not stand after the one before it", position)
        before = max(before, event.index)
        identity, problems = Rules.of_one(Stored(position, event.subject, b"", event.body))
        for problem in problems:
            yield Finding(Kind.RULE, problem, position)
        if problems:
            continue
        address = event.subject.split(".")
        if f"/{address[2]}/{address[3]}/{address[4]}" != bundle.source:
            yield Finding(Kind.INSERTED, f"{event.subject[:200]} is no event of {bundle.source}", position)
            continue
        if address[6] == StreamCarried.short_name():
            # It has the version of the event before it, and would stand in the place of that one.
            yield Finding(Kind.INSERTED, f"{event.subject[:200]} is a mark of the log and no event of a run", position)
            continue
        if int(address[5]) != expected:
            yield Finding(Kind.DELETED, f"version {address[5]} stands where version {expected} must", position)
        expected = int(address[5]) + 1
        leaf = leaf_hash(leaf_data(event.subject, identity, event.body))
        if not verifies_inclusion(leaf, event.index, checkpoint.size, event.proof, checkpoint.root):
            message = f"the log of {checkpoint.size} events, as it was signed, does not have this event at this place"
            yield Finding(Kind.EDITED, message, position)


def _content_wrong(bundle: Bundle) -> Iterator[Finding]:
    needed = {digest for event in bundle.events for digest in references(event.body)}
    for digest, data in bundle.content.items():
        if digest_bytes(data) != digest:
            yield Finding(Kind.EDITED, f"content {digest} has the digest {digest_bytes(data)}")
        if digest not in needed:
            yield Finding(Kind.INSERTED, f"content {digest} is referred to by no event")
    for digest in sorted(needed - bundle.content.keys()):
        yield Finding(Kind.DELETED, f"content {digest} is referred to and is not here")


def _document(number: int, line: bytes) -> tuple[int, dict[str, Any]]:
    if len(line) > MAX_LINE:
        raise BundleInvalid(f"line {number} has {len(line)} bytes; at most {MAX_LINE} are read")
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError as problem:
        raise BundleInvalid(f"line {number} is no JSON: {problem}") from None
    if not isinstance(document, dict):
        raise BundleInvalid(f"line {number} is no JSON object")
    return number, document


def _event(document: Mapping[str, Any]) -> Proven:
    proof = tuple(bytes_of_text(_text(each)) for each in document["proof"])
    if any(len(each) != HASH_SIZE for each in proof):
        raise ValueError("a hash of the proof has another length")
    index = document["index"]
    if type(index) is not int or not 0 <= index <= MAX_SIZE:
        raise ValueError(f"index {index!r:.60} is no place of a leaf")
    return Proven(index, _text(document["subject"]), _text(document["body"]).encode(), proof)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.60} is no text")
    return value
