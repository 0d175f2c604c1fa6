import sys
import textwrap
from pathlib import Path

import pytest

from adapters.tools.declare import declare
from adapters.tools.registry import BUILT_IN, ToolModuleUnusable, ToolRegistry, found_in_modules, tools_of_modules
from adapters.tools.runner import LocalToolRunner
from adapters.tools.settings import ToolSettings
from domain.tools import CallContext, ToolNotDeclarable, ToolOutcome

NAMES = [
    "clock.now",
    "code.python",
    "fs.list",
    "fs.read",
    "fs.search",
    "fs.stat",
    "fs.write",
    "http.get",
    "python.metadata",
    "python.packages",
    "random.int",
    "random.uuid",
    "shell.edit",
    "shell.run",
    "sql.query",
]


def module(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, source: str) -> str:
    (folder / f"{name}.py").write_text(textwrap.dedent(source))
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, name, raising=False)
    return name


def test_the_built_in_tools_are_listed_in_order_of_names() -> None:
    declarations = ToolRegistry(tools_of_modules(BUILT_IN)).declarations
    assert list(declarations) == NAMES


def test_only_writing_and_external_tools_can_change_anything() -> None:
    declarations = ToolRegistry(tools_of_modules(BUILT_IN)).declarations
    changing = {name for name, found in declarations.items() if found.capability.effects not in ("pure", "read")}
    assert changing == {"fs.write", "shell.edit"}
    assert declarations["fs.write"].repeatable
    assert not declarations["shell.edit"].repeatable


def test_a_module_gives_the_tools_it_declares_and_not_those_it_imports(tmp_path, monkeypatch) -> None:
    name = module(
        tmp_path,
        monkeypatch,
        "own_tools",
        '''
        from adapters.tools.builtin.ambient import now
        from adapters.tools.declare import tool

        @tool("own.one", effects="pure")
        def one() -> int:
            """One."""
            return 1
        ''',
    )
    assert [found.declaration.name for found in tools_of_modules([name])] == ["own.one"]


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("import nowhere_to_be_found", "cannot be imported: ModuleNotFoundError: .*nowhere_to_be_found"),
        ("1/0", "cannot be imported: ZeroDivisionError"),
        ("def f(): ...", "declares no tool; mark its functions"),
    ],
)
def test_a_module_that_cannot_be_used_is_refused_with_the_reason(tmp_path, monkeypatch, source: str, why: str) -> None:
    name = module(tmp_path, monkeypatch, "broken_tools", source)
    with pytest.raises(ToolModuleUnusable, match=f"broken_tools.*{why}"):
        tools_of_modules([name])


def test_a_module_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ToolModuleUnusable, match="no_such_module cannot be imported"):
        tools_of_modules(["no_such_module"])


def test_a_name_stands_for_one_tool() -> None:
    def one() -> None:
        """Doc."""

    twice = [declare(one, "a.b", effects="pure"), declare(one, "a.b", effects="read")]
    with pytest.raises(ToolNotDeclarable, match=r"two tools are named a\.b"):
        ToolRegistry(twice)


BASKET = '''
    from adapters.tools.context import ToolContext
    from adapters.tools.declare import tool
    from adapters.tools.registry import FoundTools

    class Basket:
        """No tool itself."""

        def __init__(self, inputs: dict) -> None:
            self.items = list(inputs["items"])

        @tool("basket.add", effects="write", idempotent=True)
        def add(self, context: ToolContext, item: str) -> int:
            """Put an item into the basket; how many are in it."""
            self.items.append(item)
            return len(self.items)

        @tool("basket.all", effects="read")
        async def all(self) -> list[str]:
            """What is in the basket."""
            return self.items

    class Everything:
        """Makes up any attribute."""

        def __getattr__(self, name: str) -> object:
            return lambda *_: []

    CLIENT = Everything()
'''


async def called(runner: LocalToolRunner, run: str, name: str, **arguments: str) -> ToolOutcome:
    return await runner.run(name, arguments, CallContext(tenant="acme", run=run, effect="0"))


async def test_methods_are_tools_of_an_instance_of_each_run(tmp_path, monkeypatch) -> None:
    found = found_in_modules([module(tmp_path, monkeypatch, "basket_tools", BASKET)])
    assert (found.tools, len(found.run_scoped)) == ([], 1)
    runner = LocalToolRunner(ToolRegistry(found.tools, found.run_scoped), ToolSettings())
    declared = runner.declarations()
    assert {name: (each.stateful, each.deterministic) for name, each in declared.items()} == {
        "basket.add": (True, True),
        "basket.all": (True, True),
    }
    assert [each.name for each in declared["basket.add"].capability.parameters] == ["item"]
    runner.open_run("a", {"items": ["x"]})
    runner.open_run("b", {"items": []})
    assert [(await called(runner, run, "basket.add", item="y")).value for run in "aab"] == [2, 3, 1]
    assert (await called(runner, "a", "basket.all")).value == ["x", "y", "y"]
    runner.open_run("a", {"items": ["x"]})
    assert (await called(runner, "a", "basket.all")).value == ["x"]


async def test_state_that_cannot_be_made_fails_each_call_and_nothing_else(tmp_path, monkeypatch) -> None:
    found = found_in_modules([module(tmp_path, monkeypatch, "basket_tools", BASKET)])
    runner = LocalToolRunner(ToolRegistry(found.tools, found.run_scoped), ToolSettings())
    runner.open_run("a", {})
    for name, arguments in (("basket.add", {"item": "y"}), ("basket.all", {})):
        failed = await called(runner, "a", name, **arguments)
        assert (failed.type, "the state of this run could not be made: KeyError: 'items'" in failed.message) == (
            "tool.not-open",
            True,
        )


def test_an_object_that_gives_tools_to_runs_is_found_once(tmp_path, monkeypatch) -> None:
    source = """
    from tests.chaos.tools import Counting

    COUNTING = Counting()
    AGAIN = COUNTING
    """
    first = module(tmp_path, monkeypatch, "counting_tools", source)
    second = module(tmp_path, monkeypatch, "more_tools", "from counting_tools import COUNTING")
    found = found_in_modules([first, second])
    assert list(ToolRegistry(found.tools, found.run_scoped).declarations) == ["chaos.sum"]


def test_a_function_that_takes_self_outside_of_a_class_is_refused(tmp_path, monkeypatch) -> None:
    source = '''
    from adapters.tools.declare import tool

    @tool("own.one", effects="pure")
    def one(self) -> int:
        """One."""
        return 1
    '''
    with pytest.raises(ToolNotDeclarable, match=r"own\.one takes self, and is no method: put it into a class"):
        found_in_modules([module(tmp_path, monkeypatch, "selfish_tools", source)])
