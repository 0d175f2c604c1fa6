"""Rotation of the ledger's key: the old key signs a note that names the new one.

::

    precedent key rotation
    <old verifier key>
    <new verifier key>

Whoever trusts the first key of a log follows these notes to the keys after it. They are in the log as events, and
travel in bundles.
"""

from __future__ import annotations

from collections.abc import Iterable

from domain.kernel.errors import PrecedentError
from domain.ledger.notes import ED25519, KeyInvalid, Note, NoteInvalid, VerifierKey

TITLE = "precedent key rotation"


def rotation_text(old: VerifierKey, new: VerifierKey) -> str:
    """Give the text that the old key signs. Both have the same name, which is the log's."""
    if old.name != new.name:
        raise KeyInvalid(f"a log keeps its name: {new.name} cannot follow {old.name}")
    if not old.kind == new.kind == ED25519:
        raise KeyInvalid(f"only keys that sign logs follow one another: {old.id} and {new.id} are not both such")
    return f"{TITLE}\n{old}\n{new}\n"


def successors(trusted: VerifierKey, rotations: Iterable[str]) -> list[VerifierKey]:
    """Give the trusted key and those that follow from it by signed rotations, the oldest first.

    Notes that nothing trusted signed say nothing; a spoilt one raises ``NoteInvalid``.
    """
    followed = [trusted]
    for text in rotations:
        note = Note.parse(text)
        if not note.signers(followed[-1:]):
            continue
        old, new = _keys(note)
        if old != followed[-1]:
            raise NoteInvalid(f"the key {followed[-1].name} signed something that is no rotation of itself")
        followed.append(new)
    return followed


def predecessors(current: VerifierKey, rotations: Iterable[str]) -> list[VerifierKey]:
    """Give the keys that led to the current one, the newest first: checkpoints that they signed still count."""
    found: list[VerifierKey] = []
    newest = current
    for text in reversed(list(rotations)):
        note = Note.parse(text)
        old, new = _keys(note)
        if new == newest and note.signers([old]):
            found.append(old)
            newest = old
    return found


def _keys(note: Note) -> tuple[VerifierKey, VerifierKey]:
    """The old and the new key of a rotation. Raises ``NoteInvalid``."""
    lines = note.text.split("\n")
    if len(lines) != 4 or lines[0] != TITLE:
        raise NoteInvalid("what was signed is no rotation of a key")
    try:
        old, new = VerifierKey.parse(lines[1]), VerifierKey.parse(lines[2])
        rotation_text(old, new)
    except PrecedentError as problem:
        raise NoteInvalid(f"the rotation names no key: {problem}") from None
    return old, new
