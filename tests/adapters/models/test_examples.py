"""The examples, with the real compiler, machine and tools; what the runs around them add is tested elsewhere."""

import sys
from pathlib import Path

import pytest
import yaml

from adapters.models.recorded import RecordedModel
from adapters.tools.registry import BUILT_IN, ToolRegistry, tools_of_modules
from adapters.tools.runner import LocalToolRunner
from adapters.tools.settings import ToolSettings
from commands.ports import ModelRequest
from domain.kernel.values import Keyword
from domain.models import extract_plan, plan_messages
from domain.rtfs import vm
from domain.rtfs.card import language_card
from domain.rtfs.program import Program, compile_program
from domain.rtfs.source import LocatedError
from domain.runs.critic import judge
from domain.runs.task import Limits, Task, TaskFile, accept
from domain.tools import CallContext, ToolFailed

EXAMPLES = Path(__file__).parents[3] / "examples"
REGISTRY = ToolRegistry(tools_of_modules(BUILT_IN))
ENVIRONMENT = Path(sys.prefix)


def task(name: str, **inputs: object) -> Task:
    document = yaml.safe_load((EXAMPLES / name).read_text())
    document["inputs"] |= inputs
    return accept(TaskFile.read(document), REGISTRY.declarations, Limits())


def capabilities(task: Task):
    return {name: REGISTRY.declarations[name].capability for name in task.tools}


def compiled(task: Task, source: str) -> Program:
    return compile_program(
        source, parameters={"inputs": task.input_type}, output=task.output_type, capabilities=capabilities(task)
    )


async def result(task: Task, program: Program, root: Path):
    """Value of the program, each of its effects answered by the tool that it calls, and the tools called."""
    runner = LocalToolRunner(REGISTRY, ToolSettings(root=root))
    step, called = vm.start(vm.load(program.module), {"inputs": task.input_values}), []
    while isinstance(step, vm.Suspended):
        answers = {}
        for request in step.requests:
            called.append(request.capability)
            context = CallContext(tenant="acme", run="r1", effect=request.key)
            outcome = await runner.run(request.capability, request.arguments, context)
            assert not isinstance(outcome, ToolFailed), outcome
            answers[request.key] = vm.Returned(outcome.value)
        step = vm.resume(step.state, answers)
    assert isinstance(step, vm.Finished), step
    return step.value, called


class TestLicences:
    async def draft(self, wanted: Task, rejected: list[tuple[str, str]]) -> str:
        messages = plan_messages(
            goal=wanted.goal,
            input_type=wanted.input,
            output_type=wanted.output,
            checks=wanted.checks,
            limits={"tool_calls": wanted.limits.tool_calls},
            card=language_card(capabilities(wanted)),
            rejected=rejected,
        )
        model = RecordedModel(EXAMPLES / "transcripts" / "licences.yaml")
        answer = await model.ask(ModelRequest(model="default", messages=messages))
        assert answer.served_model == "recorded:licences, written by hand"
        return extract_plan(answer.text)

    async def test_the_first_draft_is_rejected_and_the_second_lists_the_licences(self) -> None:
        wanted = task("licences.yaml", site=ENVIRONMENT.name)
        first = await self.draft(wanted, [])
        with pytest.raises(LocatedError, match="fnil") as rejection:
            compiled(wanted, first)
        second = await self.draft(wanted, [(first, rejection.value.render())])
        output, called = await result(wanted, compiled(wanted, second), ENVIRONMENT.parent)
        packages = called.count("python.metadata")
        assert called == ["python.packages", *["python.metadata"] * packages]
        counted = sum(output[Keyword("by-licence")].values()) + len(output[Keyword("missing")])
        assert counted == packages > 20
        assert judge(wanted, output).passed


async def test_word_count_brings_its_plan() -> None:
    wanted = task("word-count.yaml")
    output, called = await result(wanted, compiled(wanted, wanted.plan or ""), EXAMPLES.parent)
    pages = sorted((EXAMPLES.parent / "docs").rglob("*.md"))
    assert output[Keyword("files")] == len(pages)
    assert called == ["fs.list", *["fs.read"] * len(pages)]
    assert judge(wanted, output).passed


async def test_approval_asks_a_person_before_it_writes(tmp_path: Path) -> None:
    wanted = task("approval.yaml")
    assert wanted.approvals == ("fs.write",)
    metadata = tmp_path / ".venv" / "lib" / "python3.11" / "site-packages" / "tiny-1.0.dist-info" / "METADATA"
    metadata.parent.mkdir(parents=True)
    metadata.write_text("Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
    output, called = await result(wanted, compiled(wanted, wanted.plan or ""), tmp_path)
    assert called == ["python.packages", "fs.write"]
    assert (tmp_path / "dist" / "packages.txt").read_text() == "tiny==1.0\n"
    assert judge(wanted, output).passed
