"""Programs that were really compiled and signed, and runs that used them, as the log would hold them."""

from __future__ import annotations

from array import array
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.kernel.reuse import Cost
from domain.kernel.values import digest_bytes, text_of_bytes
from domain.ledger.notes import ED25519, VerifierKey
from domain.programs.admission import Publishable, admit
from domain.programs.envelope import sealed, to_sign
from domain.programs.events import (
    Meaning,
    Offer,
    OfferedEffect,
    ProgramProposed,
    ProgramProven,
    ProgramPublished,
    ProgramReinstated,
    Proof,
    module_stream,
)
from domain.programs.policy import Policy
from domain.programs.state import EMPTY
from domain.rtfs.bytecode.module import interface_hash
from domain.rtfs.capability import Capability, Parameter
from domain.rtfs.program import compile_program
from domain.rtfs.types import INT, parse_type
from tests.projections.stories import SAW, Happening, claimed, decision, submitted

PLAN: Final = "(let [a (call :t.read {:n (:n inputs)})] [a (* a 10)])"
INPUTS: Final = parse_type("[:map [:n :int]]")
OUTPUT: Final = parse_type("[:vector :int]")
READ: Final = Capability("t.read", "1", "read", (Parameter("n", INT, required=True),), INT, "Read a number.")
POINT: Final = array("f", [0.6, 0.8])


class Signing:
    """A key of the test's own."""

    def __init__(self, name: str = "test.example/programs", seed: int = 7) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self.key = VerifierKey(name, ED25519, self._private.public_key().public_bytes_raw())

    @property
    def id(self) -> str:
        return f"{self.key.name}+{self.key.hash.hex()}"

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)


@dataclass(frozen=True)
class Made:
    """A program that was compiled, and what its stream is told."""

    goal: str = "Read the number and count on"
    plan: str = PLAN
    namespace: str = "default"
    tenant: str = "acme"
    signing: Signing = field(default_factory=Signing)

    @property
    def bytecode(self) -> bytes:
        return compile_program(
            self.plan, parameters={"inputs": INPUTS}, output=OUTPUT, capabilities={"t.read": READ}
        ).module

    @property
    def offer(self) -> Offer:
        return Offer(
            namespace=self.namespace,
            goal=self.goal,
            interface=interface_hash({"inputs": INPUTS}, OUTPUT),
            module=digest_bytes(self.bytecode),
            effects=(OfferedEffect(name="t.read", version="1", mode="read"),),
            plan=self.plan,
            source_map="{}",
            literals=(),
            cost=Cost(tokens=150, usd=0.0125, seconds=0.75),
            meaning=Meaning(embedder="lexical-1", vector=text_of_bytes(POINT.tobytes())),
        )

    @property
    def id(self) -> str:
        return self.offer.id

    @property
    def module(self) -> str:
        return self.offer.module

    @property
    def module_stream(self) -> str:
        return module_stream(self.module)

    def published(self, run: str = "first") -> Happening:
        proof = Proof(run=run, inputs=SAW, output=SAW, checks=1, effects=1)
        ready = admit(EMPTY, self.offer, proof, tenant=self.tenant, actor="user:alice", policy=Policy())
        assert isinstance(ready, Publishable)
        envelope = sealed(ready.statement, self.signing.id, self.signing.sign(to_sign(ready.statement)))
        event = ProgramPublished(
            offer=ready.offer, proofs=ready.proofs, evidence=ready.evidence, policy=ready.policy, envelope=envelope
        )
        return "ProgramPublished", event.as_json()

    def proposed(self, run: str = "first") -> Happening:
        proof = Proof(run=run, inputs=SAW, output=SAW, checks=1, effects=1)
        lacks = "1 runs of 2 that programs.proofs asks for"
        return "ProgramProposed", ProgramProposed(offer=self.offer, proof=proof, lacks=lacks).as_json()

    def proven(self, run: str = "second") -> Happening:
        proof = Proof(run=run, inputs=SAW, output=SAW, checks=1, effects=1, by="user:bob", held=(SAW,))
        return "ProgramProven", ProgramProven(proof=proof).as_json()

    def reinstated(self) -> Happening:
        proof = Proof(run="fifth", inputs=SAW, output=SAW, checks=1, effects=1)
        event = ProgramReinstated(offer=self.offer, proofs=(proof,), policy=Policy().digest, reason="it was right")
        return "ProgramReinstated", event.as_json()

    def refused(self, run: str = "first") -> Happening:
        offer = self.offer
        return "ProgramRefused", {
            "run": run, "namespace": offer.namespace, "goal": offer.goal, "interface": offer.interface,
            "module": offer.module, "reason": "it may call shell.run (external); programs.effects allows up to 'read'",
        }  # fmt: skip

    def reused(self) -> Happening:
        offer = self.offer
        return "ProgramReused", {
            "digest": offer.module, "interface_hash": offer.interface,
            "effects": [effect.model_dump() for effect in offer.effects], "module": b64encode(self.bytecode).decode(),
            "source_map": "{}", "decision": decision("router", "accept", "accept", "reject"), "entry": offer.id,
            "plan": offer.plan, "saved": offer.cost.model_dump(),
        }  # fmt: skip

    def settled(self, outcome: str = "succeeded") -> Happening:
        saved = self.offer.cost.model_dump() if outcome == "succeeded" else {"tokens": 0, "usd": 0.0, "seconds": 0.0}
        return "ReuseSettled", {
            "entry": self.id, "outcome": outcome, "reason": "the critic says so", "goes_on": outcome == "refuted",
            "saved": saved,
        }  # fmt: skip

    def compared(self, agreed: bool | None) -> Happening:
        return "ShadowCompared", {"entry": self.id, "agreed": agreed, "reason": "the outputs were compared"}


DEMOTED: Final[Happening] = ("ProgramDemoted", {"reason": "it forgot the tax", "run": "third"})
CONTRADICTED: Final[Happening] = (
    "ProgramContradicted",
    {"run": "fourth", "by": "user:mallory", "checks": [SAW], "reason": "postconditions: (= 1 2) is not true"},
)
SUPERSEDED: Final[Happening] = ("ProgramSuperseded", {"by": "another", "reason": "a faster one"})


def revoked(made: Made) -> Happening:
    return "ProgramRevoked", {"module": made.module, "reason": "it leaks"}


def lookup(level: str = "L4", outcome: str = "miss", **fields: Any) -> dict[str, Any]:
    return {
        "level": level, "outcome": outcome, "reason": "no program for a goal like this, with these types",
        "entry": None, "score": None, "tier": None, "duration": 0.004,
    } | fields  # fmt: skip


def routed(route: str, *lookups: dict[str, Any]) -> Happening:
    data: dict[str, Any] = {"route": route, "decision": decision("router", route)}
    return "RunRouted", data | ({"lookups": list(lookups)} if lookups else {})


def asking(namespace: str = "default", goal: str = "Read the number and count on") -> Happening:
    """A run that asks for reuse."""
    name, data = submitted(goal)
    data["task"]["cache"] = {"levels": ["L2", "L4"], "namespace": namespace}
    return name, data


def reusing_run(made: Made, outcome: str = "succeeded") -> list[Happening]:
    """A run that a program answers."""
    hit = lookup(outcome="hit", reason="the same goal", entry=made.id, score=1.0, tier="log")
    return [asking(made.namespace), claimed(), routed("program", hit), made.reused(), made.settled(outcome)]


def answered_from_cache(entry: str) -> list[Happening]:
    """A question to a model that the cache answers."""
    hit = lookup("L2", "hit", reason="the same request", entry=entry, tier="process", duration=0.0002)
    return [
        asking(), claimed(), routed("model", lookup()),
        ("ModelCallRequested", {
            "effect": "plan/1", "model": "default", "request": {"messages": []}, "request_digest": SAW,
            "lookups": [hit],
        }),
        ("ModelCallAnswered", {
            "effect": "plan/1", "text": "7", "served_model": "tiny-1", "prompt_tokens": 0, "completion_tokens": 0,
            "usd": 0.0, "recorded": False, "duration": 0.001, "source": "cache",
            "saved": {"tokens": 150, "usd": 0.0125, "seconds": 0.75},
        }),
    ]  # fmt: skip


def judged(entry: str, *, correct: bool, source: str = "feedback", run: str = "r1") -> Happening:
    return "ReuseJudged", {
        "namespace": "default", "level": "L4", "entry": entry, "score": 0.97, "correct": correct, "judge": "alice",
        "source": source, "run": run, "stands_for": 1,
    }  # fmt: skip


TUNED: Final[Happening] = (
    "CacheTuned",
    {"namespace": "default", "setting": "ttl", "kind": "tool", "before": 60.0, "after": 120.0, "reason": "no answer had changed"},
)  # fmt: skip
