"""What the runs of a pass taught, as the log has it: programs published, held back, refused and demoted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from commands.programs.log import CATALOG as PROGRAMS
from domain.cache.events import CACHE_EVENTS, CacheEntryPublished, ReuseJudged
from domain.kernel.events import EventCatalog, Recorded
from domain.programs.events import (
    ProgramDemoted,
    ProgramProposed,
    ProgramProven,
    ProgramPublished,
    ProgramRefused,
)
from infra.bench.reuse.outcomes import plain
from infra.bench.reuse.workload import variant_of

_CACHE = EventCatalog(CACHE_EVENTS)


@dataclass(slots=True)
class Learned:
    """Counts, and what a later run may therefore rely on."""

    programs: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Published, held back (``candidate``) and refused programs, by the variant whose run they come from."""
    modules: set[str] = field(default_factory=set)
    """Distinct modules among the published ones: one program may answer several goals."""
    candidates: Counter[str] = field(default_factory=Counter)
    """Programs that were held back, by what they lack."""
    proven: int = 0
    """Further runs that came to a candidate."""
    refused: Counter[str] = field(default_factory=Counter)
    demoted: Counter[str] = field(default_factory=Counter)
    judged: Counter[str] = field(default_factory=Counter)
    """Comparisons with the model, by level and whether they agreed."""
    goals: set[str] = field(default_factory=set)
    """Goals with a published program."""
    answers: set[str] = field(default_factory=set)
    """Digests of questions whose answer was published."""

    def take_program(self, recorded: Recorded) -> None:
        """Count an event of category ``program``."""
        match PROGRAMS.decode(recorded):
            case ProgramPublished(offer=offer, proofs=proofs):
                self._count("published", proofs[-1].run)
                self.modules.add(offer.module)
                self.goals.add(offer.goal)
            case ProgramProposed(lacks=lacks, proof=proof):
                self._count("candidate", proof.run)
                self.candidates[plain(lacks)] += 1
            case ProgramProven():
                self.proven += 1
            case ProgramRefused(reason=reason, run=run):
                self._count("refused", run)
                self.refused[reason.rpartition("; ")[2]] += 1
            case ProgramDemoted(reason=reason):
                self.demoted[plain(reason)] += 1

    def _count(self, what: str, run: str) -> None:
        self.programs[what, variant_of(run.partition("-")[2])] += 1

    def of(self, what: str, variant: str | None = None) -> int:
        """How many of a kind, of one variant or of all."""
        return sum(n for (kind, of), n in self.programs.items() if kind == what and variant in (None, of))

    def take_cached(self, recorded: Recorded) -> None:
        """Count an event of category ``cache``."""
        match _CACHE.decode(recorded):
            case CacheEntryPublished(level="L2", kind="model", digest=digest):
                self.answers.add(digest)
            case ReuseJudged(level=level, correct=correct):
                self.judged[f"{level} {'right' if correct else 'wrong'}"] += 1


def learned(programs: Iterable[Recorded], cached: Iterable[Recorded]) -> Learned:
    """What these events say together."""
    found = Learned()
    for recorded in programs:
        found.take_program(recorded)
    for recorded in cached:
        found.take_cached(recorded)
    return found
