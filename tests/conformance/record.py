"""Modules as they were compiled, with all that comes of them: what is stored must mean the same for ever.

``python -m tests.conformance.record`` compiles every case. A program that is new is added; one whose bytes differ is
added beside the one that was there, which stays: programs compiled by earlier releases go on being run. Nothing is
ever taken away by hand.
"""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from domain.kernel.values import digest_bytes
from domain.rtfs.bytecode.module import FORMAT, LANGUAGE
from domain.rtfs.program import CompileError, ReadError
from tests.conformance.cases import Asked, Case, every_case
from tests.conformance.driving import compiled, run_module

FOLDER = Path(__file__).parent / "modules"


@dataclass(frozen=True, kw_only=True)
class Stored:
    """One module, the program that it was compiled from, and what comes of it."""

    case: Case
    digest: str
    module: bytes
    current: bool
    """Whether the compiler of this release is to make these bytes of the program."""
    end: str
    text: str
    asked: list[list[str]]
    fuel: int

    @property
    def key(self) -> tuple[str, ...]:
        """What tells cases apart."""
        case = self.case
        return case.source, repr((case.given, case.within, case.modules, case.asked))


def every_module() -> list[Stored]:
    """Give the stored modules of every file, in order."""
    return [stored for path in sorted(FOLDER.glob("*.jsonl")) for stored in read_modules(path)]


def read_modules(path: Path) -> list[Stored]:
    """Read one file."""
    return [_stored(path.stem, number, line) for number, line in enumerate(path.read_bytes().splitlines(), start=1)]


def _stored(name: str, number: int, line: bytes) -> Stored:
    found: dict[str, Any] = orjson.loads(line)
    given = found["given"] and tuple(found["given"])
    answers = [Asked(**each) for each in found["answers"]]
    return Stored(
        case=Case(name, number, found["source"], given, found["within"], found["modules"], answers),
        module=base64.b64decode(found["module"]),
        **{field: found[field] for field in ("digest", "current", "end", "text", "asked", "fuel")},
    )


def stored_of(case: Case) -> Stored | None:
    """Compile and run a case; none when it does not compile."""
    try:
        module = compiled(case).module
    except (ReadError, CompileError):
        return None
    driven = run_module(case, module)
    asked = [list(each) for each in driven.asked]
    return Stored(
        case=case,
        digest=digest_bytes(module),
        module=module,
        current=True,
        end=driven.end,
        text=driven.text,
        asked=asked,
        fuel=driven.fuel,
    )


def line_of(stored: Stored) -> bytes:
    """Write one module as a line."""
    return orjson.dumps(
        {
            "format": FORMAT,
            "language": LANGUAGE,
            "source": stored.case.source,
            "given": stored.case.given,
            "within": stored.case.within,
            "modules": stored.case.modules,
            "answers": [asdict(each) for each in stored.case.asked],
            "digest": stored.digest,
            "module": base64.b64encode(stored.module).decode(),
            "current": stored.current,
            "end": stored.end,
            "text": stored.text,
            "asked": stored.asked,
            "fuel": stored.fuel,
        }
    )


def recorded(before: list[Stored], cases: list[Case]) -> list[bytes]:
    """Give the lines of a file: all that was there, then what is new."""
    now = {stored.key: stored for stored in map(stored_of, cases) if stored is not None}
    for stored in before:
        now.setdefault(stored.key, stored_of(stored.case) or stored)
    lines: list[bytes] = []
    kept: set[tuple[str, ...]] = set()
    for stored in before:
        current = now[stored.key].digest == stored.digest
        kept.update({stored.key} if current else ())
        fields = {**orjson.loads(line_of(stored)), "current": current}
        lines.append(orjson.dumps(fields))
    lines.extend(line_of(stored) for key, stored in now.items() if key not in kept)
    return lines


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    by_file: dict[str, list[Case]] = {}
    for each in every_case():
        by_file.setdefault(each.file.removesuffix(".rtfs"), []).append(each)
    for stem, cases in by_file.items():
        path = FOLDER / f"{stem}.jsonl"
        before = read_modules(path) if path.exists() else []
        path.write_bytes(b"\n".join([*recorded(before, cases), b""]))
