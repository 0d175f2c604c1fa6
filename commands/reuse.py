"""What reuse was given, in one place: the indexes, the keys, the terms. Built in ``infra/bootstrap`` only."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from commands.cache.withdrawn import Withdrawn
from commands.delegations import Delegations
from commands.evidence import EvidenceBook
from commands.heard import Heard
from commands.indexes import Embedder, VectorIndex
from commands.ledger_ports import Signer
from domain.programs.policy import Policy

MOST_MODULES: Final = 10_000
"""Programs whose module a process remembers, in some 3 MB."""


def always_silent() -> float:
    """Of a process that no feed tells anything: it must ask the log."""
    return float("inf")


@dataclass(slots=True)
class Revocations:
    """Modules that must not run, as the feed of this process has heard: a running program looks here.

    None is ever forgotten: they are few, and each costs some hundred bytes.
    """

    silence: Callable[[], float] = always_silent
    """Seconds since the log was heard: what it may have said since is not here."""
    _reasons: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, tenant: str, module: str, reason: str) -> None:
        """Note a revocation."""
        self._reasons[tenant, module] = reason

    def reason(self, tenant: str, module: str) -> str | None:
        """Why this module must not run; None where nothing was heard."""
        return self._reasons.get((tenant, module))


@dataclass(slots=True)
class Interfaces:
    """Interfaces for which this process has heard of a program: for others there is nothing to search for.

    As many as there are kinds of inputs and outputs, each in some hundred bytes.
    """

    _known: set[tuple[str, str, str]] = field(default_factory=set)

    def add(self, tenant: str, namespace: str, interface: str) -> None:
        """Note a program's."""
        self._known.add((tenant, namespace, interface))

    def has(self, tenant: str, namespace: str, interface: str) -> bool:
        """Whether a program was published for it, be it in use or not."""
        return (tenant, namespace, interface) in self._known


@dataclass(slots=True)
class Modules:
    """Modules of the programs that this process read last, so that both can be read at the same time."""

    _known: OrderedDict[tuple[str, str], str] = field(default_factory=OrderedDict)

    def note(self, tenant: str, entry: str, module: str) -> None:
        """What the log says of a program."""
        self._known[tenant, entry] = module
        self._known.move_to_end((tenant, entry))
        if len(self._known) > MOST_MODULES:
            self._known.popitem(last=False)

    def of(self, tenant: str, entry: str) -> str | None:
        """A program's module, where it was read; the log may say otherwise now."""
        return self._known.get((tenant, entry))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reuse:
    """The ports of reuse, filled."""

    embedder: Embedder
    vectors: VectorIndex
    signer: Signer | None
    """Who signs what is published here; None where this process may not publish."""
    trusted: Mapping[str, Mapping[str, bytes]]
    """By tenant: public keys (32 bytes, Ed25519) by key id, whose programs may run."""
    policy: Policy = field(default_factory=Policy)
    evidence: EvidenceBook = field(default_factory=EvidenceBook)
    """No port: what this process has heard of right and wrong answers."""
    delegations: Delegations = field(default_factory=Delegations)
    """No port: which target answered, as this process has heard."""
    interfaces: Interfaces = field(default_factory=Interfaces)
    """No port: what this process has heard."""
    modules: Modules = field(default_factory=Modules)
    """No port: what this process has read."""
    revocations: Revocations = field(default_factory=Revocations)
    """No port: what this process has heard."""
    heard: Heard = field(default_factory=Heard)
    """Streams of programs and answers as this process has heard them, where it keeps them."""
    withdrawn: Withdrawn = field(default_factory=Withdrawn)
    """No port: invalidations of namespaces that this process has read."""

    def is_trusted_in(self, tenant: str) -> bool:
        """Whether what is signed here may run for this tenant."""
        if self.signer is None:
            return False
        key = self.signer.key
        return self.trusted.get(tenant, {}).get(key.id) == key.public
