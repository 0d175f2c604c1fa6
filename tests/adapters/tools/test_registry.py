import sys
import textwrap
from pathlib import Path

import pytest

from adapters.tools.declare import declare
from adapters.tools.registry import BUILT_IN, ToolModuleUnusable, ToolRegistry, tools_of_modules
from domain.tools import ToolNotDeclarable

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
