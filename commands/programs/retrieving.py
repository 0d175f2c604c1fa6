"""Find a program for a task.

1. Exact interface and 2. similarity are asked of the vector index; then come the steps of
``domain/programs/acceptance``. The status is read from the program's own stream, as this process has heard it within
the last second, or else at the log's leader: no index has a say in what may run.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from commands.evidence import terms_of
from commands.heard import UNHEARD, Heard
from commands.indexes import Neighbour
from commands.programs.log import CATEGORY, folded, labels
from commands.reuse import Reuse
from commands.services import Services
from domain.cache.gates import refusal
from domain.cache.semantic import Proposal, decide
from domain.kernel.embedding import Embedding
from domain.kernel.errors import (
    PrecedentError,
    ServiceUnreachable,
)
from domain.kernel.ids import StreamId
from domain.kernel.reuse import Miss, NotReusable
from domain.programs.acceptance import (
    Unacceptable,
    Wanted,
    check_bytes,
    check_contradicted,
    check_rights,
    check_signature,
    check_status,
)
from domain.programs.events import (
    Offer,
    module_stream,
)
from domain.programs.policy import is_shadowed
from domain.programs.state import Program
from domain.runs.parts import Lookup

WITHIN: Final = 5.0
"""Seconds for a look-up; what takes longer is a miss: nobody waits for an index that has fallen silent."""

NEIGHBOURS: Final = 3
"""How many near programs are looked at: the nearest may have been withdrawn, or solve a goal with another number."""

MOST_ALIKE: Final = 64
"""How many are looked at of those that are as good as the same: former versions of tools leave many behind."""

ALIKE: Final = 0.999
"""Similarity from which on goals are as good as the same."""

OWN_GOAL: Final = 0.995
"""Score from which on what an entry got wrong was its own goal."""

LONGEST_REASON: Final = 1_000
"""Characters of a reason on the record."""


@dataclass(frozen=True, slots=True)
class Found:
    """A program that may answer."""

    entry: str
    offer: Offer
    module: bytes
    score: float


async def retrieve(
    services: Services, reuse: Reuse, goal: str, wanted: Wanted, draw: str, known: str | None = None
) -> tuple[Lookup, Found | None]:
    """The nearest program that may answer, and what is to be recorded either way. Never raises: a fault is a miss.

    ``draw``: what decides which hits are explored or shadowed; another text for each run. ``known``: the program that
    is tried without a search, because it answered this goal before.
    """
    began = services.clock.monotonic()
    try:
        async with asyncio.timeout(WITHIN):
            said, found = await _known(services, reuse, goal, wanted, draw, known) if known else (None, None)
            if said is None:
                said, found = await _searched(services, reuse, goal, wanted, draw)
    except TimeoutError:
        said, found = _miss(Miss("failed", f"no answer within {WITHIN:g} s")), None
    except PrecedentError as error:
        said, found = _miss(Miss("failed", f"{error.code}: {error}")), None
    said = said.model_copy(update={"duration": services.clock.monotonic() - began})
    return said, found if said.outcome == "hit" else None


async def _known(
    services: Services, reuse: Reuse, goal: str, wanted: Wanted, draw: str, entry: str
) -> tuple[Lookup | None, Found | None]:
    try:
        found = await accepted(services, reuse, entry, 1.0, wanted, heard=reuse.heard)
    except ServiceUnreachable:
        raise
    except PrecedentError:
        return None, None  # another may answer in its place
    if found.offer.goal != goal:
        return None, None  # how alike it is must be asked anew
    said = _weighed(reuse, goal, wanted, found, draw)
    return (None, None) if said.outcome == "miss" else (said, found)


def _miss(reason: Miss, score: float | None = None, entry: str | None = None) -> Lookup:
    said = reason[:LONGEST_REASON]
    return Lookup(level="L4", outcome="miss", reason=said, code=reason.code, score=score, entry=entry)


def _why(error: PrecedentError) -> Miss:
    """What is not there, or cannot be read, is damaged: the log has it."""
    return Miss(error.miss if isinstance(error, NotReusable) else "damaged", str(error))


async def _searched(
    services: Services, reuse: Reuse, goal: str, wanted: Wanted, draw: str
) -> tuple[Lookup, Found | None]:
    if not reuse.interfaces.has(wanted.tenant, wanted.namespace, wanted.interface):  # 1
        return _miss(Miss("absent", "no program with these types of inputs and output")), None
    (embedding,) = await reuse.embedder.embed([goal])
    where = labels(wanted.tenant, wanted.namespace, wanted.interface)
    first: Lookup | None = None
    async for near in _near(reuse, embedding, where):  # 2
        entry = near.labels.get("entry", near.id)
        try:
            found = await accepted(
                services, reuse, entry, near.score, wanted, near.labels.get("module"), heard=reuse.heard
            )
        except ServiceUnreachable:
            raise
        except PrecedentError as error:
            first = first or _miss(_why(error), near.score, entry)
            continue
        said = _weighed(reuse, goal, wanted, found, draw)
        if said.outcome != "miss":
            return said, found
        first = first or said
    return first or _miss(Miss("absent", "no program for a goal like this")), None


async def _near(reuse: Reuse, embedding: Embedding, where: Mapping[str, str]) -> AsyncIterator[Neighbour]:
    """The nearest few; more, which takes longer, only where all of these are as good as the same."""
    nearest = await reuse.vectors.search(embedding, where, NEIGHBOURS)
    for near in nearest:
        if near.score < reuse.evidence.policy.floor:
            return
        yield near
    if len(nearest) < NEIGHBOURS or nearest[-1].score < ALIKE:
        return
    for near in (await reuse.vectors.search(embedding, where, MOST_ALIKE))[NEIGHBOURS:]:
        if near.score < ALIKE:
            return
        yield near


def _weighed(reuse: Reuse, goal: str, wanted: Wanted, found: Found, draw: str) -> Lookup:
    """Whether the likeness of the goals is enough."""
    solved = found.offer.goal
    if refused := refusal(goal, solved):
        differing = Miss("differs", f"the goals differ in {refused.gate}: {refused.reason}")
        return _miss(differing, found.score, found.entry)
    threshold, stands_for, terms = None, 1, None
    own = reuse.evidence.own(wanted.tenant, found.entry)
    if goal == solved and own.wrong > own.right and own.highest_wrong >= OWN_GOAL:
        wrong = Miss("refuted", f"it was wrong {own.wrong} times and right {own.right} times")
        return _miss(wrong, found.score, found.entry)
    if goal == solved:
        action, why = "reuse", "the same goal"
    else:
        evidence, scope = reuse.evidence, (wanted.tenant, wanted.namespace, "L4")
        threshold = evidence.threshold(*scope, otherwise=reuse.policy.similarity)
        proposal = Proposal(entry=found.entry, similarity=found.score)
        verdict = decide(proposal, threshold, own, evidence.policy, draw)
        action, why = verdict.action, f"{verdict.reason} (similarity {found.score:.4f}, threshold {threshold:.4f})"
        stands_for, terms = verdict.stands_for, terms_of(evidence.policy)
        if isinstance(verdict.reason, Miss) and action == "miss":
            missed = _miss(Miss(verdict.reason.code, why), found.score, found.entry)
            return missed.model_copy(update={"threshold": threshold, "terms": terms})
    outcome: Literal["hit", "explore", "shadow"] = "explore" if action == "explore" else "hit"
    if outcome == "hit" and is_shadowed(draw, reuse.policy.shadow):
        outcome, why = "shadow", f"{why}; in the share of hits that are compared"
    return Lookup(
        level="L4",
        outcome=outcome,
        reason=why,
        entry=found.entry,
        score=found.score,
        threshold=threshold,
        stands_for=stands_for,
        tier="log",
        terms=terms,
    )


async def accepted(
    services: Services,
    reuse: Reuse,
    entry: str,
    score: float,
    wanted: Wanted,
    module: str | None = None,
    *,
    heard: Heard = UNHEARD,
) -> Found:
    """Steps 3 to 7. Raises ``Unacceptable``, ``NotFound``, ``StoredDataInvalid``, ``ServiceUnreachable``.

    ``module``: what an index says its module is; else what it was when it was read before. It is read at the same time
    as the program, and not used where the log names another. ``heard``: where what the log says is taken from.
    """
    module = module or reuse.modules.of(wanted.tenant, entry)
    program, ahead = await asyncio.gather(
        _program(services, heard, StreamId(wanted.tenant, CATEGORY, entry)),
        _module(services, heard, wanted.tenant, module),
        return_exceptions=True,
    )
    if isinstance(program, BaseException):
        raise program
    if program.offer is None:
        raise Unacceptable("the index names a program that the log has not", "damaged")
    reuse.modules.note(wanted.tenant, entry, program.offer.module)
    if ahead is None or module != program.offer.module:
        ahead = await _module(services, heard, wanted.tenant, program.offer.module)
    if isinstance(ahead, BaseException):
        raise ahead
    assert ahead is not None, "the program names its module"
    withdrawn, data = ahead
    offer = check_status(program, withdrawn)  # 3
    check_contradicted(program, wanted)
    check_signature(program, offer, entry, wanted, reuse.trusted.get(wanted.tenant, {}))  # 4
    check_bytes(offer, data)  # 5, 6
    check_rights(offer, wanted, reuse.policy)  # 7
    return Found(entry, offer, data, score)


async def _program(services: Services, heard: Heard, stream: StreamId) -> Program:
    return folded(await heard.events(services.store, stream))


async def _module(services: Services, heard: Heard, tenant: str, module: str | None) -> tuple[Program, bytes] | None:
    """What was said of a module's withdrawal, and its bytecode; None where no module is named."""
    if module is None:
        return None
    return await asyncio.gather(
        _program(services, heard, StreamId(tenant, CATEGORY, module_stream(module))),
        services.content.get(tenant, module),
    )
