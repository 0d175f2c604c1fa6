"""Level L3: the answer to another question of the same meaning, where everything else about the two is the same.

1. The goal is embedded, and the vector index asked for near ones among questions that have the rest in common.
2. Gates refuse what likeness does not see; of what they let pass the nearest is proposed, and the others vote.
3. The evidence of the namespace and of the entry says whether to reuse, to explore, or to ask.
4. The entry is read from its own stream, as the log has it or this process has heard within the last second: its key,
   its expiry, its invalidation, its goal and its point. No index has a say in what may be given.
5. Its plan is compiled as this task's: an answer that cannot be used is not given.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from commands.cache.judgements import append_judgement, withdraw
from commands.cache.log import CATALOG, CATEGORY, folded, held_of
from commands.cache.meanings import Meant, point_id, recorded_point
from commands.evidence import terms_of
from commands.heard import UNHEARD, Heard
from commands.indexes import Neighbour
from commands.reuse import Reuse
from commands.services import Services
from domain.cache.events import CacheEntryPublished, ReuseJudged
from domain.cache.gates import Refusal
from domain.cache.keys import CacheKeyInvalid
from domain.cache.proposing import Near, propose
from domain.cache.rules import Held, Withdrawals, refusal
from domain.cache.semantic import CLOSED, NEIGHBOURS, Proposal, Verdict, decide
from domain.kernel.embedding import Embedding, cosine
from domain.kernel.errors import PrecedentError, StoredDataInvalid
from domain.kernel.ids import StreamId
from domain.kernel.reuse import Cost, Miss, NotReusable
from domain.kernel.values import ValueNotDecodable
from domain.models import PlanNotFound
from domain.rtfs.program import Program
from domain.rtfs.source import LocatedError
from domain.runs.parts import Lookup

logger = logging.getLogger(__name__)

WITHIN: Final = 5.0
"""Seconds for a look-up; what takes longer is a miss."""

MOST_CHECKED: Final = 3
"""How many entries are read from the log: the nearest may have been withdrawn."""

LONGEST_REASON: Final = 1_000
"""Characters of a reason on the record."""

NEARLY: Final = 0.01
"""By how much an index may round a similarity."""

COMPILER: Final = "compiler/1"
"""Judge: what does not compile is wrong."""

Compile: TypeAlias = Callable[[str], Program]
"""A model's answer as a program of this task. Raises ``PlanNotFound``, ``LocatedError``."""


class EntryUnusable(NotReusable):
    """The entry must not answer; the message says why."""

    code = "cache.unusable"


class EntryGone(EntryUnusable):
    """The index should not name it any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer as the log has it."""

    entry: str
    goal: str
    text: str
    served_model: str
    recorded: bool
    program: str
    """Digest of the module that its plan was compiled to."""
    cost: Cost
    point: Embedding | None
    """Of its goal, where this process's embedder made it."""


async def look_alike(
    services: Services, reuse: Reuse, question: Meant, compiled: Compile
) -> tuple[Lookup, Answer | None]:
    """The answer that may be given, and what is to be recorded either way. Never raises: a fault is a miss."""
    began = services.clock.monotonic()
    found: Answer | None = None
    try:
        async with asyncio.timeout(WITHIN):
            said, found = await _searched(services, reuse, question, compiled)
    except TimeoutError:
        said = miss(Miss("failed", f"no answer within {WITHIN:g} s"))
    except PrecedentError as error:
        said = miss(Miss("failed", f"{error.code}: {error}"))
    said = said.model_copy(update={"duration": services.clock.monotonic() - began})
    return said, found if said.outcome == "hit" else None


def miss(reason: Miss, score: float | None = None, entry: str | None = None, threshold: float | None = None) -> Lookup:
    """A miss of this level, with its reason."""
    said, code = reason[:LONGEST_REASON], reason.code
    return Lookup(level="L3", outcome="miss", reason=said, code=code, score=score, entry=entry, threshold=threshold)


async def _searched(
    services: Services, reuse: Reuse, question: Meant, compiled: Compile
) -> tuple[Lookup, Answer | None]:
    (embedding,) = await reuse.embedder.embed([question.goal])  # 1
    near = _near(await reuse.vectors.search(embedding, question.labels, NEIGHBOURS))
    first: Lookup | None = None
    for _ in range(MOST_CHECKED):
        proposal = propose(question.goal, near)  # 2
        if isinstance(proposal, Refusal):
            return first or miss(_refused(proposal)), None
        lookup = _weighed(reuse, question, near, proposal)  # 3
        if lookup.outcome == "miss":
            return first or lookup, None
        try:
            answer = await usable(services, reuse, question, proposal.entry, reuse.heard)  # 4
            _check_likeness(embedding, answer, near, proposal)
            await _check_program(services, question, lookup, answer, compiled)  # 5
        except EntryUnusable as reason:
            if isinstance(reason, EntryGone):
                await _forget(reuse, question.tenant, proposal.entry)
            first = first or miss(Miss(reason.miss, str(reason)), lookup.score, proposal.entry)
            near = [other for other in near if other.entry != proposal.entry]
            continue
        return lookup, answer
    return first or miss(Miss("unusable", "nothing that is near may be used")), None


def _near(found: Sequence[Neighbour]) -> list[Near]:
    """Neighbours as proposals are made of; what has not the labels of an answer is none."""
    named = [(each, each.labels) for each in found]
    return [
        Near(
            entry=labels["entry"],
            text=labels["goal"],
            answer=labels["program"],
            similarity=max(-1.0, min(1.0, each.score)),
        )
        for each, labels in named
        if {"entry", "goal", "program"} <= labels.keys()
    ]


def _refused(refused: Refusal) -> Miss:
    if refused.gate == "similarity":
        return Miss("absent", "no question like this, with everything else the same")
    return Miss("differs", f"the goals differ in {refused.gate}: {refused.reason}")


def _weighed(reuse: Reuse, question: Meant, near: Sequence[Near], proposal: Proposal) -> Lookup:
    entry, evidence = proposal.entry, reuse.evidence
    if any(other.entry == entry and other.text == question.goal for other in near):
        return Lookup(level="L3", outcome="hit", reason="the same goal", entry=entry, score=1.0, tier="log")
    threshold = evidence.threshold(question.tenant, question.namespace, "L3")
    own = evidence.own(question.tenant, entry)
    verdict = decide(proposal, threshold, own, evidence.policy, question.draw)
    terms = terms_of(evidence.policy)
    if verdict.action == "miss" and isinstance(verdict.reason, Miss):
        missed = miss(Miss(verdict.reason.code, _why(verdict)), verdict.score, entry, verdict.threshold)
        return missed.model_copy(update={"terms": terms})
    outcome: Literal["hit", "explore"] = "hit" if verdict.action == "reuse" else "explore"
    return Lookup(
        level="L3",
        outcome=outcome,
        reason=_why(verdict),
        entry=entry,
        score=verdict.score,
        threshold=verdict.threshold,
        stands_for=verdict.stands_for,
        tier="log",
        terms=terms,
    )


def _why(verdict: Verdict) -> str:
    needed = "" if verdict.threshold >= CLOSED else f", threshold {verdict.threshold:.4f}"
    return f"{verdict.reason} (score {verdict.score:.4f}{needed})"


async def usable(services: Services, reuse: Reuse, question: Meant, entry: str, heard: Heard = UNHEARD) -> Answer:
    """An entry as the log has it now; as ``heard`` has it where that is given.

    Raises ``EntryUnusable``, ``ServiceUnreachable``, ``StoredDataInvalid``.
    """
    held, broad = await asyncio.gather(
        _newest(services, heard, question.tenant, entry),
        reuse.withdrawn.of(services.store, question.tenant, question.namespace, heard),
    )
    meaning = held.published.meaning
    if meaning is None:
        raise EntryGone("the entry does not say what its question means", "damaged")
    now = services.clock.now()
    if reason := refusal(held, question.tenant, question.key(meaning.text), now, broad):
        raise EntryGone(reason, reason.code)
    value = held.published.value
    if not isinstance(value, dict) or not isinstance(value.get("program"), str):
        raise EntryGone("the entry cannot be read: it does not say what its answer was compiled to", "damaged")
    answer = (
        value["answer"]
        if "answer" in value
        else await _pointed_at(services, heard, question, value.get("entry"), broad)
    )
    if not isinstance(answer, dict) or not all(isinstance(answer.get(name), str) for name in ("text", "served_model")):
        raise EntryGone("the entry cannot be read: it is no answer of a model", "damaged")
    try:
        point = recorded_point(reuse.embedder.name, reuse.embedder.dimensions, meaning.embedder, meaning.vector)
    except (StoredDataInvalid, ValueNotDecodable) as error:
        raise EntryGone(f"the entry's point cannot be read: {error}", "damaged") from error
    return Answer(
        entry=entry,
        goal=meaning.text,
        text=answer["text"],
        served_model=answer["served_model"],
        recorded=bool(answer.get("recorded", False)),
        program=value["program"],
        cost=held.published.cost,
        point=point,
    )


async def _newest(services: Services, heard: Heard, tenant: str, entry: str) -> Held:
    """The newest answer of an entry that was not invalidated."""
    events = await heard.events(services.store, StreamId(tenant, CATEGORY, entry))
    state = folded(events)
    if state.published is None:
        raise EntryGone("the index names an entry that the log has not", "damaged")
    if state.is_withdrawn:
        raise EntryGone(f"it was invalidated at {state.withdrawn}", "withdrawn")
    for recorded in reversed(events):
        event = CATALOG.decode(recorded)
        if isinstance(event, CacheEntryPublished):
            return _own(held_of(recorded, event), entry)
    raise AssertionError("what is published has been published")


def _own(held: Held, entry: str) -> Held:
    try:
        name = held.key.id
    except CacheKeyInvalid as error:
        raise EntryGone(f"the entry cannot be read: {error}", "damaged") from error
    if name != entry:
        raise EntryGone("the entry's stream holds what has another key", "damaged")
    return held


async def _pointed_at(services: Services, heard: Heard, question: Meant, entry: object, broad: Withdrawals) -> Any:
    """The value of the exact entry that has the answer."""
    if not isinstance(entry, str):
        raise EntryGone("the entry cannot be read: it neither has an answer nor names one", "damaged")
    try:
        held = await _newest(services, heard, question.tenant, entry)
    except EntryGone as reason:
        raise EntryUnusable(f"the entry that has the answer ({entry}): {reason}", reason.miss) from reason
    key = held.key
    same = (key.namespace, key.level, key.kind, key.version) == (question.namespace, "L2", "model", question.version)
    refused = refusal(held, question.tenant, key, services.clock.now(), broad)
    if not same or refused is not None:
        why = refused or Miss("damaged", f"it is {key}")
        raise EntryUnusable(f"the entry that has the answer ({entry}): {why}", why.code)
    return held.published.value


def _check_likeness(asked: Embedding, answer: Answer, near: Sequence[Near], proposal: Proposal) -> None:
    """What the index said of the entry, and the gates have seen, is what the log says."""
    if not any((each.entry, each.text) == (answer.entry, answer.goal) for each in near):
        raise EntryGone("the index names another goal than the log", "damaged")
    if answer.point is None:
        return  # another embedder made it: the point is the index's own
    similarity = cosine(asked, answer.point)
    if abs(similarity - proposal.similarity) > NEARLY:
        raise EntryGone(f"the index says similarity {proposal.similarity:.4f}, and the log {similarity:.4f}", "damaged")


async def _check_program(
    services: Services, question: Meant, lookup: Lookup, answer: Answer, compiled: Compile
) -> None:
    try:
        program = compiled(answer.text)
    except (PlanNotFound, LocatedError) as error:
        reason = f"its plan does not compile: {error}"
        await _condemn(services, question, lookup, reason)
        raise EntryGone(reason, "unusable") from error
    if program.digest != answer.program:
        raise EntryUnusable("its answer is another one now than that which its neighbours agree with", "unusable")


async def _condemn(services: Services, question: Meant, lookup: Lookup, reason: str) -> None:
    """It cannot be right for any run: everything but the goal is the same in all that could be given it."""
    assert lookup.entry is not None and lookup.score is not None  # noqa: PT018  # it was weighed
    judged = ReuseJudged(
        namespace=question.namespace,
        level="L3",
        entry=lookup.entry,
        score=lookup.score,
        correct=False,
        judge=COMPILER,
        source="feedback",
        run=question.run,
    )
    await append_judgement(services, question.tenant, judged, actor="agent:compiler")
    await withdraw(services, question.tenant, lookup.entry, reason, question.run)


async def _forget(reuse: Reuse, tenant: str, entry: str) -> None:
    """Make room among the neighbours for what may be used. The index is ours to repair; a fault here harms nobody."""
    try:
        await reuse.vectors.remove([point_id(tenant, entry)])
    except PrecedentError as error:
        logger.warning("entry %s stays in the index: %s", entry, error)
