"""Declaring agents: what cannot be pinned or named is refused where it is written."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from adapters.agents.declare import AgentModuleUnusable, agent, agents_of_modules, declared_agent
from domain.agents.declaration import AgentNotDeclarable
from domain.kernel.values import digest_bytes

GOOD = '''
from adapters.agents.declare import agent

@agent("acme.{name}", version="3")
async def pursue(ctx, inputs):
    """Does it."""
    return 1
'''


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(tmp_path))
    made: list[str] = []

    def write(name: str, text: str) -> str:
        (tmp_path / f"{name}.py").write_text(text, "utf-8")
        made.append(name)
        return name

    yield write
    for name in made:
        sys.modules.pop(name, None)


def test_a_module_gives_its_own_agents_with_its_digest(module: Any) -> None:
    first = module("first_agents", GOOD.format(name="one"))
    second = module("second_agents", GOOD.format(name="two") + "from first_agents import pursue as other\n")
    found = agents_of_modules([first, second])
    assert list(found) == ["acme.one", "acme.two"]
    one = found["acme.one"]
    assert (one.version, one.doc, one.module) == ("3", "Does it.", "first_agents")
    assert one.digest == digest_bytes(GOOD.format(name="one").encode())


def test_modules_that_cannot_be_used_are_named(module: Any) -> None:
    module("same_agents", GOOD.format(name="one"))
    module("twin_agents", GOOD.format(name="one"))
    with pytest.raises(AgentNotDeclarable, match=r"two agents are named acme\.one"):
        agents_of_modules(["same_agents", "twin_agents"])
    for name, text, message in (
        ("no_agents", "x = 1", "declares no agent; mark its functions"),
        ("broken_agents", "def (", "cannot be imported: SyntaxError"),
        ("raising_agents", "raise RuntimeError('no')", "cannot be imported: RuntimeError: no"),
    ):
        with pytest.raises(AgentModuleUnusable, match=message):
            agents_of_modules([module(name, text)])
    with pytest.raises(AgentModuleUnusable, match="ModuleNotFoundError"):
        agents_of_modules(["there_is_no_such_module"])


def test_functions_that_are_no_agents_are_refused() -> None:
    async def undocumented(ctx: Any, inputs: Any) -> None: ...

    def plain(ctx: Any, inputs: Any) -> None:
        """Plain."""

    async def one(ctx: Any) -> None:
        """One."""

    async def many(ctx: Any, *inputs: Any) -> None:
        """Many."""

    async def generator(ctx: Any, inputs: Any) -> Any:
        """Gives several."""
        yield 1

    for function, message in (
        (undocumented, "docstring"),
        (plain, "an agent is an async function"),
        (one, "takes two parameters"),
        (many, "takes two parameters"),
        (generator, "an agent is an async function"),
    ):
        with pytest.raises(AgentNotDeclarable, match=message):
            agent("acme.wrong")(function)


@pytest.mark.parametrize("name", ["", "a b", "a..b", ".a", "1a", "a/b", "ä", "a\n", "x" * 129])
def test_names_that_no_task_could_write_are_refused(name: str) -> None:
    async def good(ctx: Any, inputs: Any) -> None:
        """Good."""

    with pytest.raises(AgentNotDeclarable, match="is refused"):
        agent(name)(good)
    with pytest.raises(AgentNotDeclarable, match="version"):
        agent("good", version=f"{name} ")(good)
    assert declared_agent(agent("good")(good)) is not None


def test_source_that_cannot_be_read_is_refused() -> None:
    names: dict[str, Any] = {"__name__": "builtins"}
    exec('async def made(ctx, inputs):\n    """Made."""', names)
    with pytest.raises(AgentNotDeclarable, match="the source of builtins cannot be read"):
        agent("acme.made")(names["made"])
