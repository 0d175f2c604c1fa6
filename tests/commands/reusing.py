"""The in-memory world with reuse: words as points, a key of the test's own, and the feed caught up when asked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from adapters.crypto.signing import FileSigner
from adapters.embedding.lexical import LexicalEmbedder
from adapters.memory.kept_streams import MemoryStreams
from adapters.vectors.memory import MemoryVectorIndex
from commands.cache.semantic_hearing import Answers
from commands.catalog import COMMANDS, REACTIONS
from commands.feed import Feed
from commands.handle import CommandHandler
from commands.heard import Heard
from commands.ports import Selection
from commands.programs.hearing import Programs
from commands.programs.log import CATALOG
from commands.reuse import Reuse
from domain.kernel.ids import START
from domain.programs.events import ProgramEvent
from domain.programs.policy import Policy
from tests.commands.world import TENANT, World

PLAN = "(let [a (call :t.read {:n (:n inputs)})] [a (* a 10)])"
TASK: dict[str, Any] = {
    "goal": "Read the number and count on",
    "inputs": {"n": 1},
    "output": "[:vector :int]",
    "tools": ["t.read", "t.add", "t.put"],
    "cache": {"levels": ["L4"]},
}


class ReusingWorld(World):
    """A world whose runs may be answered by programs."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.signer = FileSigner.generated("test-programs")
        self.use()

    def use(self, policy: Policy | None = None, **changes: Any) -> None:
        """Begin with an empty index, as a new process does."""
        embedder = LexicalEmbedder()
        key = self.signer.key
        self.reuse = Reuse(
            **{
                "embedder": embedder,
                "vectors": MemoryVectorIndex(embedder.name, embedder.dimensions),
                "signer": self.signer,
                "trusted": {TENANT: {f"{key.name}+{key.hash.hex()}": key.public}},
                "policy": policy or Policy(),
                "heard": Heard(MemoryStreams(), self._silent_for),
            }
            | changes
        )
        self.services = replace(self.services, reuse=self.reuse)
        self.handler = CommandHandler(self.services, COMMANDS, REACTIONS)
        programs, answers = Programs(self.reuse), Answers(self.reuse)
        listeners = {
            "program": [self.reuse.heard.hear, programs.hear],
            "cache": [self.reuse.heard.hear, self.reuse.evidence.hear, self.reuse.delegations.hear, answers.hear],
        }
        self.feed = Feed(self.store, self.clock, listeners, [programs.flush, answers.flush])

    def _silent_for(self, category: str) -> float:
        """Of the feed that this world has now: a test may give it another."""
        return self.feed.silent_for(category)

    async def solve(self, run: str, plan: str | None = PLAN, **task: Any) -> list[str]:
        """Submit and drive a run; ``plan`` is what a model would answer, None for a model that must not be asked."""
        self.models.answers[:] = [] if plan is None else [plan]
        answer = await self.submit(run, None, **(TASK | task))
        assert answer.outcome == "accepted", answer
        await self.feed.catch_up()
        await self.drive(run)
        await self.feed.catch_up()
        return await self.kinds(run)

    async def program_events(self) -> list[ProgramEvent]:
        """Everything that happened to programs."""
        found = [e async for batch in self.store.read(START, Selection(category="program")) for e in batch]
        return [event for each in found if isinstance(event := CATALOG.decode(each), ProgramEvent)]
