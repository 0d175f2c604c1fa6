"""Whatever is wrong with a program, or with what is needed to fetch it: the model is asked, and the record says why."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from adapters.crypto.signing import FileSigner
from adapters.embedding.lexical import LexicalEmbedder
from commands.cache.meanings import point_id
from commands.feed import Feed
from commands.indexes import Point
from commands.ports import Head
from commands.programs.log import append, labels, load_program
from domain.kernel.embedding import Embedding
from domain.kernel.errors import ServiceUnreachable
from domain.kernel.ids import StreamId
from domain.kernel.reuse import MISSES
from domain.kernel.values import digest_bytes
from domain.programs.events import Offer, ProgramProposed, ProgramPublished, ProgramRefused, ProgramSuperseded
from domain.programs.policy import Policy
from domain.runs.state import Phase
from tests.commands.reusing import PLAN, ReusingWorld
from tests.commands.world import TENANT
from tests.simulation.virtual_loop import simulate

Harm = Callable[[ReusingWorld, ProgramPublished], Awaitable[None]]


async def _publish(world: ReusingWorld) -> ProgramPublished:
    await world.solve("first")
    (published,) = await world.program_events()
    assert isinstance(published, ProgramPublished)
    return published


async def _offer_again(world: ReusingWorld, published: ProgramPublished, **changes: Any) -> None:
    """Append a publication with other contents, as whoever can write to the log could."""
    stream = StreamId(TENANT, "program", published.offer.id)
    _, head = await load_program(world.services, stream)
    await append(
        world.services, stream, head, published.model_copy(update=changes), cause="harm/1", actor="user:mallory"
    )


def _offer(published: ProgramPublished, **changes: Any) -> Offer:
    return published.offer.model_copy(update=changes)


async def unsigned(world: ReusingWorld, published: ProgramPublished) -> None:
    await _offer_again(world, published, envelope='{"payloadType":"x","payload":"","signatures":[]}')


async def signed_by_a_stranger(world: ReusingWorld, published: ProgramPublished) -> None:
    stranger = FileSigner.generated("stranger").key
    world.use(trusted={TENANT: {f"{stranger.name}+{stranger.hash.hex()}": stranger.public}})


async def trusted_in_another_tenant_only(world: ReusingWorld, published: ProgramPublished) -> None:
    world.use(trusted={"other": world.reuse.trusted[TENANT]})


async def signed_for_another_goal(world: ReusingWorld, published: ProgramPublished) -> None:
    await _offer_again(world, published, offer=_offer(published, effects=()))


async def bit_flipped_envelope(world: ReusingWorld, published: ProgramPublished) -> None:
    at = published.envelope.index('"sig":"') + 12
    flipped = "A" if published.envelope[at] != "A" else "B"
    await _offer_again(world, published, envelope=published.envelope[:at] + flipped + published.envelope[at + 1 :])


async def truncated_envelope(world: ReusingWorld, published: ProgramPublished) -> None:
    await _offer_again(world, published, envelope=published.envelope[:-20])


async def huge_envelope(world: ReusingWorld, published: ProgramPublished) -> None:
    await _offer_again(world, published, envelope=published.envelope + " " * 200_000)


async def other_bytes(world: ReusingWorld, published: ProgramPublished) -> None:
    blobs = world.services.content._blobs  # the store itself is at fault
    key = next(key for key in blobs if published.offer.module in str(key))
    blobs[key] = blobs[key][:-1] + bytes([blobs[key][-1] ^ 1])


async def revoked(world: ReusingWorld, published: ProgramPublished) -> None:
    answer = await world.send("RevokeProgram", {"module": published.offer.module, "reason": "it leaks"}, "c-revoke")
    assert answer.outcome == "accepted", answer


async def demoted(world: ReusingWorld, published: ProgramPublished) -> None:
    answer = await world.send("DemoteProgram", {"program": published.offer.id, "reason": "doubt"}, "c-demote")
    assert answer.outcome == "accepted", answer


async def superseded(world: ReusingWorld, published: ProgramPublished) -> None:
    stream = StreamId(TENANT, "program", published.offer.id)
    _, head = await load_program(world.services, stream)
    event = ProgramSuperseded(by="0" * 8 + "-0000-0000-0000-" + "0" * 12, reason="better")
    await append(world.services, stream, head, event, cause="hand/1", actor="user:someone")


async def blob_gone(world: ReusingWorld, published: ProgramPublished) -> None:
    world.services.content._blobs.clear()


async def narrower_policy(world: ReusingWorld, published: ProgramPublished) -> None:
    world.use(Policy(effects="pure"))


async def vectors_gone(world: ReusingWorld, published: ProgramPublished) -> None:
    class Gone:
        def __getattr__(self, name: str) -> Any:
            async def fail(*_: Any) -> Any:
                raise ServiceUnreachable("the vector index does not answer")

            return fail

    world.services = replace(world.services, reuse=replace(world.reuse, vectors=Gone()))


async def vectors_silent(world: ReusingWorld, published: ProgramPublished) -> None:
    class Silent:
        def __getattr__(self, name: str) -> Any:
            async def wait(*_: Any) -> Any:
                await asyncio.Event().wait()

            return wait

    world.services = replace(world.services, reuse=replace(world.reuse, vectors=Silent()))


async def embedder_gone(world: ReusingWorld, published: ProgramPublished) -> None:
    class Gone:
        name, dimensions = "gone", 3

        async def embed(self, texts: Any) -> Any:
            raise ServiceUnreachable("the embedder does not answer")

    world.services = replace(world.services, reuse=replace(world.reuse, embedder=Gone()))


async def poisoned_index(world: ReusingWorld, published: ProgramPublished) -> None:
    """The index says that another entry answers: one that the log has not."""
    await world.feed.catch_up()
    await world.reuse.vectors.clear()
    (point,) = await LexicalEmbedder().embed([published.offer.goal])
    where = labels(TENANT, "default", published.offer.interface)
    await world.reuse.vectors.put([Point("11111111-1111-1111-1111-111111111111", point, where)])


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (unsigned, "signature: its payload is of type 'x'"),
        (signed_by_a_stranger, "none of these keys is trusted here"),
        (trusted_in_another_tenant_only, "none of these keys is trusted here"),
        (signed_for_another_goal, "signature: it was signed for another effects"),
        (bit_flipped_envelope, "signature: "),
        (truncated_envelope, "signature: it is no DSSE envelope"),
        (huge_envelope, "at most 200000 are read"),
        (other_bytes, "digest"),
        (revoked, "no program for a goal like this"),
        (demoted, "no program for a goal like this"),
        (superseded, "no program for a goal like this"),
        (blob_gone, "sha256:"),
        (narrower_policy, "rights: it has effects (read) beyond 'pure'"),
        (vectors_gone, "service.unreachable: the vector index does not answer"),
        (vectors_silent, "no answer within 5 s"),
        (embedder_gone, "service.unreachable: the embedder does not answer"),
        (poisoned_index, "the index names a program that the log has not"),
    ],
    ids=lambda value: getattr(value, "__name__", None) or "why",
)
def test_it_does_not_run_and_the_reason_is_on_the_record(harm: Harm, reason: str) -> None:
    async def story() -> None:
        world = ReusingWorld()
        published = await _publish(world)
        await harm(world, published)
        kinds = await world.solve("second", PLAN)
        assert "ProgramReused" not in kinds
        assert "ModelCallAnswered" in kinds
        run = await world.state("second")
        assert run.phase is Phase.COMPLETED
        (lookup,) = run.routing.lookups
        assert (lookup.level, lookup.outcome) == ("L4", "miss")
        assert reason in lookup.reason
        kinds_of_reason = {"signature": "untrusted", "rights": "rights", "no program": "absent"}
        kinds_of_reason |= {"service": "failed", "no answer": "failed"}
        assert lookup.code == next((kind for said, kind in kinds_of_reason.items() if said in reason), lookup.code)
        assert lookup.code in MISSES

    simulate(story())


@pytest.mark.parametrize("named", ["sha256:" + "0" * 64, "", "../x", "é" * 2_000, None])
def test_an_index_that_names_another_module_or_none_is_set_right_by_the_log(named: str | None) -> None:
    async def story() -> None:
        world = ReusingWorld()
        published = await _publish(world)
        await world.feed.catch_up()
        (point,) = await LexicalEmbedder().embed([published.offer.goal])
        where = labels(TENANT, "default", published.offer.interface) | {"entry": published.offer.id}
        where |= {} if named is None else {"module": named}
        await world.reuse.vectors.clear()
        await world.reuse.vectors.put([Point(point_id(TENANT, published.offer.id), point, where)])
        assert "ProgramReused" in await world.solve("second", None)

    simulate(story())


@pytest.mark.parametrize("harm", [revoked, demoted, superseded], ids=lambda harm: harm.__name__)
def test_an_index_that_has_not_heard_of_it_cannot_make_it_run(harm: Harm) -> None:
    async def story() -> None:
        world = ReusingWorld()
        published = await _publish(world)
        await world.feed.catch_up()
        await harm(world, published)
        world.feed = Feed(world.store, world.clock, {})  # it has fallen silent
        kinds = await world.solve("second", PLAN)
        assert "ProgramReused" not in kinds
        (lookup,) = (await world.state("second")).routing.lookups
        assert {revoked: "was revoked: it leaks", demoted: "it is demoted: doubt", superseded: "superseded by"}[
            harm
        ] in lookup.reason

    simulate(story())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"output": "[:vector :float]"}, "no program with these types of inputs and output"),
        ({"cache": {"levels": ["L4"], "namespace": "elsewhere"}}, "no program with these types"),
        ({"goal": "Read the number and do not count on"}, "the goals differ in"),
        ({"goal": "Read the number and count up"}, "similarity"),
        ({"goal": "Bake a cake with plums"}, "no program for a goal like this"),
        ({"tools": ["t.add"]}, "rights: it calls t.read, which is not among the task's tools"),
        ({"cache": {"levels": []}}, None),
    ],
    ids=["interface", "namespace", "negated", "similar", "unlike", "rights", "not asked for"],
)
def test_another_task_is_not_answered(change: dict[str, Any], reason: str | None) -> None:
    async def story() -> None:
        world = ReusingWorld()
        await _publish(world)
        kinds = await world.solve("second", "(call :t.add {:n 1})" if "tools" in change else PLAN, **change)
        assert "ProgramReused" not in kinds
        lookups = (await world.state("second")).routing.lookups
        assert (reason is None) == (not lookups)
        if reason is not None:
            assert reason in lookups[0].reason or "not alike" in lookups[0].reason

    simulate(story())


def test_every_index_can_be_lost_and_is_built_again_from_the_events() -> None:
    async def story() -> None:
        world = ReusingWorld()
        await _publish(world)
        for number in range(3):
            world.use()  # a new process, with an empty index and nothing heard
            assert "ProgramReused" in await world.solve(f"again-{number}", None, inputs={"n": number})

    simulate(story())


def test_points_of_another_embedder_are_made_anew() -> None:
    async def story() -> None:
        world = ReusingWorld()
        await _publish(world)

        class Newer(LexicalEmbedder):
            name = "words of another release"

            async def embed(self, texts: Any) -> Any:
                return [Embedding(self.name, each.vector) for each in await super().embed(texts)]

        from adapters.vectors.memory import MemoryVectorIndex

        newer = Newer()
        world.use(embedder=newer, vectors=MemoryVectorIndex(newer.name, newer.dimensions))
        assert "ProgramReused" in await world.solve("second", None)

    simulate(story())


def test_a_program_that_repeats_an_input_waits_for_a_second_run_with_others() -> None:
    plan = "(let [a (call :t.read {:n (:n inputs)})] [a (+ a 7)])"

    async def story() -> None:
        world = ReusingWorld()
        await world.solve("first", plan, inputs={"n": 7})
        (proposed,) = await world.program_events()
        assert isinstance(proposed, ProgramProposed)
        assert "constants equal inputs (7)" in proposed.lacks
        await world.solve("same", plan, inputs={"n": 7})
        assert not any(isinstance(event, ProgramPublished) for event in await world.program_events())
        await world.solve("other", plan, inputs={"n": 8})
        published = (await world.program_events())[-1]
        assert isinstance(published, ProgramPublished)
        assert {proof.run for proof in published.proofs} == {"first", "other"}
        assert "ProgramReused" in await world.solve("third", None, inputs={"n": 9})

    simulate(story())


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        (Policy(publishers=("user:ops-*",)), "user:someone may not publish programs"),
        (Policy(effects="pure"), "it may call t.read (read); programs.effects allows up to 'pure'"),
    ],
    ids=["publisher", "effects"],
)
def test_what_the_policy_forbids_is_not_published_and_the_record_says_so(policy: Policy, reason: str) -> None:
    async def story() -> None:
        world = ReusingWorld()
        world.use(policy)
        await world.solve("first")
        (refused,) = await world.program_events()
        assert isinstance(refused, ProgramRefused)
        assert reason in refused.reason
        assert "ModelCallAnswered" in await world.solve("second")

    simulate(story())


def test_without_a_signing_key_a_program_stays_a_candidate() -> None:
    async def story() -> None:
        world = ReusingWorld()
        world.use(signer=None)
        await world.solve("first")
        (proposed,) = await world.program_events()
        assert isinstance(proposed, ProgramProposed)
        assert "no signing key" in proposed.lacks
        world.use()
        await world.solve("second")
        assert isinstance((await world.program_events())[-1], ProgramPublished)

    simulate(story())


def test_a_revoked_program_stops_at_its_next_effect() -> None:
    async def story() -> None:
        world = ReusingWorld()
        plan = "(let [a (call :t.read {:n (:n inputs)}) b (call :t.read {:n a})] [a b])"
        await world.solve("first", plan)
        (published,) = await world.program_events()
        assert isinstance(published, ProgramPublished)

        async def revoke(_: Any) -> None:
            world.tools.during = None
            await revoked(world, published)
            await world.feed.catch_up()

        world.tools.during = revoke
        kinds = await world.solve("second", plan)
        assert kinds.count("RunRouted") == 2
        run = await world.state("second")
        assert (run.phase, run.refuted[0].outcome, run.refuted[0].reason) == (Phase.COMPLETED, "revoked", "it leaks")
        assert not isinstance((await world.program_events())[-1], ProgramPublished), "a revoked module is not published"

    simulate(story())


def test_a_run_that_changed_the_world_does_not_go_on_with_another_program() -> None:
    async def story() -> None:
        world = ReusingWorld()
        world.use(Policy(effects="write"))
        plan = "(let [a (call :t.add {:n (:n inputs)})] [a a])"
        await world.solve("first", plan)
        kinds = await world.solve("second", plan, checks=["(= 1 (count output))"])
        assert "ProgramReused" in kinds
        run = await world.state("second")
        assert (run.phase, run.error.error.type) == (Phase.FAILED, "critic.rejected")
        assert kinds.count("RunRouted") == 1

    simulate(story())


def test_shadowed_hits_are_compared_and_judged() -> None:
    async def story() -> None:
        world = ReusingWorld()
        await _publish(world)
        world.use(Policy(shadow=1.0))
        kinds = await world.solve("same", PLAN)
        assert kinds[-2:] == ["ShadowCompared", "RunCompleted"]
        await world.solve("other", "(let [a (call :t.read {:n (:n inputs)})] [a 5])")
        shadows = [
            event.data["agreed"]
            for run in ("same", "other")
            for event in (await world.store.load(StreamId(TENANT, "run", run))).events
            if event.short_name == "ShadowCompared"
        ]
        assert shadows == [True, False]
        await world.feed.catch_up()
        assert world.reuse.evidence.threshold(TENANT, "default", "L4", 0.99) > 1, (
            "what was wrong at 1.0 closes the level"
        )

    simulate(story())


def test_publishing_again_after_a_crash_changes_nothing() -> None:
    async def story() -> None:
        world = ReusingWorld()
        await world.solve("first")
        before = await world.program_events()
        for _ in range(3):
            await world.drive("first")
        assert await world.program_events() == before

    simulate(story())


def test_the_module_is_uploaded_before_it_is_published() -> None:
    async def story() -> None:
        world = ReusingWorld()
        published = await _publish(world)
        data = await world.services.content.get(TENANT, published.offer.module)
        assert digest_bytes(data) == published.offer.module
        assert Head(0, 0) == Head()

    simulate(story())
