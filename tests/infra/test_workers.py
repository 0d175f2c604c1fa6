"""The processes of a deployment: one for each kind, which imports what it needs and no more."""

from __future__ import annotations

import gc
import subprocess
import sys
from inspect import signature

import pytest

from infra.workers.serving import WORKERS, function_of


@pytest.mark.parametrize("kind", sorted(WORKERS))
def test_every_kind_serves(kind: str) -> None:
    assert list(signature(function_of(kind)).parameters)[:3] == ["settings", "endpoints", "name"]
    assert gc.isenabled()


def test_a_ledger_does_without_the_language() -> None:
    said = "import sys; from infra.workers.serving import function_of; function_of('ledger'); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", said], capture_output=True, check=True, text=True).stdout.split()
    assert "infra.workers.ledger" in loaded
    assert not [
        name for name in loaded if name.startswith(("infra.workers.runs", "domain.rtfs.compiler", "faststream"))
    ]


@pytest.mark.parametrize("given", [[], ["cook"], ["worker", "a", "b"]], ids=len)
def test_a_kind_that_is_unknown_is_told_the_usage(given: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "infra.workers", *given], capture_output=True, check=False, text=True)
    assert (done.returncode, done.stderr.strip()) == (
        1,
        "usage: python -m infra.workers {worker,projector,ledger} [NAME]",
    )
