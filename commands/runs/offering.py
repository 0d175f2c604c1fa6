"""What a model answered to a run that did well is published under the meaning of its question (level L3)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from commands.cache.cache import Cache
from commands.cache.meanings import LONGEST_GOAL
from commands.cache.publishing import publish
from commands.cache.questions import answer_value, model_question
from commands.cache.tuning import Lasting
from commands.runs.alike import meant, wants_alike
from commands.runs.log import RunLog
from commands.services import Services
from domain.cache.events import CacheEntryPublished, Meaning, Volatility
from domain.cache.rules import expiry
from domain.kernel.errors import InvalidInput, PrecedentError, ServiceUnreachable
from domain.kernel.values import format_time, parse_time, text_of_bytes
from domain.runs.events import ModelCallAnswered, ModelCallRequested
from domain.runs.reuse import paid
from domain.runs.state import Phase, Run

logger = logging.getLogger(__name__)

VOLATILITY: Final[Volatility] = "slow"
"""How soon models may answer otherwise, where no cache here says so."""


async def offer_answer(services: Services, log: RunLog, history: Sequence[tuple[str, object]]) -> None:
    """Publish the answer, unless it was published. ``history``: time and event, in order.

    Raises ``ServiceUnreachable``: of the log. Another run of the task will publish it where the embedder is away.
    """
    run = log.run
    if services.reuse is None or not _is_own(run):
        return
    try:
        offer = await _offer(services, log, history)
    except PrecedentError as error:
        logger.warning("the answer of run %s is not published: %s", log.stream.id, error)
        return
    if offer is None:
        return
    try:
        withdrawals = await services.reuse.withdrawn.of(services.store, log.stream.tenant, offer.namespace)
        await publish(services, services.cache, log.stream.tenant, offer, withdrawals)
    except ServiceUnreachable:
        raise
    except PrecedentError as error:
        logger.warning("the answer of run %s is not published: %s", log.stream.id, error)


def _is_own(run: Run) -> bool:
    """Whether the model's own answer led this run to its end."""
    done = run.phase is Phase.COMPLETED and run.route == "model" and run.program is not None and bool(run.drafts)
    if not done or not wants_alike(run.task) or run.forked_from is not None:
        return False
    answer = run.answers.get(f"plan/{len(run.drafts)}")
    return answer is not None and answer.source == "executed"


async def _offer(services: Services, log: RunLog, history: Sequence[tuple[str, object]]) -> CacheEntryPublished | None:
    """The answer that counted, under the question that the run put first. Raises as the embedder, ``InvalidInput``."""
    run, reuse, cache = log.run, services.reuse, services.cache
    assert reuse is not None and run.program is not None  # noqa: PT018  # as `_is_own` says
    answer = run.answers[f"plan/{len(run.drafts)}"]
    asked, requested = _requested(history, answer)
    task = run.accepted_task
    question = meant(services, log.stream, run, requested.model)
    if len(task.goal.encode()) > LONGEST_GOAL:
        return None
    (embedding,) = await reuse.embedder.embed([task.goal])
    key = question.key()
    volatility = VOLATILITY if cache is None else cache.models
    lasting = Lasting() if cache is None else cache.lasting
    seconds = lasting.of(log.stream.tenant, key.namespace, key.kind, volatility)
    return CacheEntryPublished(
        namespace=key.namespace,
        level=key.level,
        kind=key.kind,
        version=key.version,
        digest=key.digest,
        value={"parameters": question.parameters, "program": run.program.digest}
        | _place(cache, run, question.version, asked, requested, answer),
        meaning=Meaning(text=task.goal, embedder=embedding.embedder, vector=text_of_bytes(embedding.vector)),
        volatility=volatility,
        expires=expiry(asked, seconds),
        depends=(
            f"model:{requested.model}",
            *(f"tool:{effect.name}@{effect.version}" for effect in run.program.effects),
        ),
        cost=paid(run),
        run=log.stream.id,
        effect=answer.effect,
        asked=format_time(asked),
    )


def _requested(history: Sequence[tuple[str, object]], answer: ModelCallAnswered) -> tuple[datetime, ModelCallRequested]:
    for time, event in reversed(history):
        if isinstance(event, ModelCallRequested) and event.effect == answer.effect:
            return parse_time(time), event
    raise InvalidInput(f"nothing tells what {answer.effect} was asked")


def _place(
    cache: Cache | None,
    run: Run,
    identity: str,
    asked: datetime,
    requested: ModelCallRequested,
    answer: ModelCallAnswered,
) -> dict[str, Any]:
    """The id of the exact entry that has the answer, or the answer, where nothing exact is kept."""
    task = run.accepted_task
    if cache is None or "L2" not in task.cache.levels:
        return {"answer": answer_value(answer)}
    digest = requested.request_digest
    exact = model_question(cache, task.cache.namespace, identity, requested.model, digest, asked)
    return {"entry": exact.key.id}
