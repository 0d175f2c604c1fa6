"""A stream of requests through one method: a miss calls the model, which is right, and stores an entry."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from domain.cache.confidence import lower_limit, upper_limit
from domain.cache.proposing import Near
from infra.bench.bfcl.figures import Quantiles
from infra.bench.semantic.corpus import Request
from infra.bench.semantic.methods import Method
from infra.bench.semantic.neighbours import Stream

_TWO_SIDED: Final = 0.975


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Counts over a part of the stream."""

    requests: int
    hits: int
    wrong: int

    @property
    def hit_share(self) -> float:
        """Hits / requests."""
        return self.hits / max(1, self.requests)

    @property
    def wrong_share(self) -> float:
        """Wrong hits / hits."""
        return self.wrong / max(1, self.hits)

    @property
    def interval(self) -> tuple[float, float]:
        """Wrong hits / hits: the interval of Clopper and Pearson that covers the true share in 95 % of streams."""
        return lower_limit(self.wrong, self.hits, _TWO_SIDED), upper_limit(self.wrong, self.hits, _TWO_SIDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a method did with the stream."""

    name: str
    whole: Part
    last_quarter: Part
    model_calls: int
    judged: int
    """Model calls whose answer was compared with the proposed one."""
    stored: int
    deciding: Quantiles
    """Microseconds of CPU time of a decision, neighbours at hand: gates, votes, rule."""
    learning: Quantiles
    """Microseconds of CPU time to take in one comparison, off the path of an answer."""


def simulate(
    method: Method, requests: Sequence[Request], stream: Stream, on_request: Callable[[], None] = lambda: None
) -> Result:
    """Run the stream through the method."""
    kept = stream.kept()
    hits: list[bool] = []
    wrong: list[bool] = []
    deciding: list[float] = []
    learning: list[float] = []
    judged = 0
    for number, request in enumerate(requests):
        near = [
            Near(entry=str(at), text=requests[at].text, answer=requests[at].answer, similarity=similarity)
            for at, similarity in stream.nearest(number, kept, method.neighbours)
        ]
        draw = sha256(f"{number} {request.text}".encode()).hexdigest()
        began = time.thread_time()
        choice = method.choose(request.text, near, draw)
        deciding.append(1e6 * (time.thread_time() - began))
        right = bool(choice.entry) and requests[int(choice.entry)].answer == request.answer
        hits.append(choice.action == "reuse")
        wrong.append(choice.action == "reuse" and not right)
        if choice.action == "ask":
            kept[number] = True
        elif choice.action == "judge":
            judged += 1
            began = time.thread_time()
            kept[number] = method.learn(right=right)
            learning.append(1e6 * (time.thread_time() - began))
        on_request()
    return Result(
        name=method.name,
        whole=_part(hits, wrong),
        last_quarter=_part(hits[-(len(hits) // 4) :], wrong[-(len(wrong) // 4) :]),
        model_calls=len(hits) - sum(hits),
        judged=judged,
        stored=int(kept.sum()),
        deciding=Quantiles.of(deciding),
        learning=Quantiles.of(learning),
    )


def _part(hits: Sequence[bool], wrong: Sequence[bool]) -> Part:
    return Part(requests=len(hits), hits=sum(hits), wrong=sum(wrong))
