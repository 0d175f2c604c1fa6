"""The tasks of AgentDojo: four environments, their tools, and the right calls of every task.

Source: PyPI ``agentdojo`` (https://github.com/ethz-spylab/agentdojo, Debenedetti et al., NeurIPS 2024), MIT licence. A
user task is something that somebody wants of an assistant; an injection task is what an attacker wants of it. Both come
with the calls that do it. The package is imported without the clients of model vendors that it declares.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from domain.kernel.errors import NotFound

DISTRIBUTION: Final = "agentdojo"
RELEASE: Final = "0.1.35"
"""The release that the figures are for."""
SUITES: Final = "v1.2.2"
"""The newest version of the tasks in it."""


MOMENT: Final[ContextVar[dt.datetime]] = ContextVar("moment")
"""The time that the package's functions see: that at which their run was submitted."""


class DojoMissing(NotFound):
    """Install the corpus with the command in the message (``make bench`` does); nothing else is missing."""

    code = "bench.corpus-missing"


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the ground truth."""

    tool: str
    """As the package names it."""
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Task:
    """One task of the corpus."""

    suite: str
    name: str
    goal: str
    calls: tuple[Call, ...]

    @property
    def id(self) -> str:
        """Name of its run."""
        return f"{self.suite}-{self.name}"


class Dojo:
    """The package's environments and tasks."""

    def __init__(self) -> None:
        """Import the package. Raises ``DojoMissing``."""
        try:
            self._suites: dict[str, Any] = _suites()
        except (ImportError, PackageNotFoundError) as error:
            raise DojoMissing(
                f"{error}; install the corpus with: pip install --no-deps {DISTRIBUTION}=={RELEASE} && "
                "pip install deepdiff docstring-parser email-validator"
            ) from error
        self._fresh: dict[str, Any] = {}

    @cached_property
    def tasks(self) -> Sequence[Task]:
        """User tasks, then injection tasks, suite by suite."""
        return tuple(self._tasks())

    def functions(self, suite: str) -> dict[str, Any]:
        """The tools of a suite by name, as the package describes them. Raises ``NotFound``."""
        return {function.name: function for function in self._suite(suite).tools}

    @property
    def suites(self) -> Sequence[str]:
        """Names of the suites."""
        return tuple(self._suites)

    def environment(self, suite: str, task: str) -> Any:
        """The objects on which a task works, in their initial state and nobody else's. Raises ``NotFound``."""
        if suite not in self._fresh:
            self._fresh[suite] = self._suite(suite).load_and_inject_default_environment({})
        made = self._fresh[suite].model_copy(deep=True)
        prepare = getattr(self._found(suite, task), "init_environment", None)
        return made if prepare is None else prepare(made)

    def does_it(self, task: Task, before: Any, after: Any) -> bool | None:
        """Whether the package holds a user task for done by what became of its environment; None for an attack."""
        suite, found = self._suite(task.suite), self._found(task.suite, task.name)
        if task.name not in suite.user_tasks:
            return None
        said = [{"type": "text", "content": found.GROUND_TRUTH_OUTPUT}]
        return bool(suite._check_user_task_utility(found, said, before, after, found.ground_truth(before)))  # noqa: SLF001

    def _suite(self, name: str) -> Any:
        if name not in self._suites:
            raise NotFound(f"AgentDojo has no suite {name!r}; it has {', '.join(self._suites)}")
        return self._suites[name]

    def _found(self, suite: str, task: str) -> Any:
        known = self._suite(suite)
        found = known.user_tasks.get(task) or known.injection_tasks.get(task)
        if found is None:
            raise NotFound(f"suite {suite} of AgentDojo has no task {task!r}")
        return found

    def _tasks(self) -> Iterator[Task]:
        for name, suite in self._suites.items():
            for task, found in (*suite.user_tasks.items(), *suite.injection_tasks.items()):
                goal = getattr(found, "PROMPT", None) or found.GOAL
                calls = found.ground_truth(self.environment(name, task))
                yield Task(name, task, goal, tuple(Call(call.function, dict(call.args)) for call in calls))


class _Clock(dt.datetime):
    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> Any:
        return MOMENT.get().astimezone(tz or dt.UTC).replace(tzinfo=tz)


class _Time:
    """What stands for the module ``datetime`` where the package looks at the clock."""

    datetime = _Clock

    def __getattr__(self, name: str) -> Any:
        return getattr(dt, name)


def _suites() -> dict[str, Any]:
    root = Path(str(distribution(DISTRIBUTION).locate_file(DISTRIBUTION)))
    # Its package of pipelines imports every vendor's client. What is needed of it is imported from there as it is.
    pipelines = ModuleType(f"{DISTRIBUTION}.agent_pipeline")
    pipelines.__path__ = [str(root / "agent_pipeline")]
    truth = ModuleType(f"{pipelines.__name__}.ground_truth_pipeline")
    truth.GroundTruthPipeline = object  # type: ignore[attr-defined]  # it drives models, and none is asked here
    for module in (pipelines, truth):
        sys.modules.setdefault(module.__name__, module)
    for name in ("cloud_drive_client", "email_client"):
        import_module(f"{DISTRIBUTION}.default_suites.v1.tools.{name}").datetime = _Time()  # type: ignore[attr-defined]
    found: dict[str, Any] = import_module(f"{DISTRIBUTION}.task_suite.load_suites").get_suites(SUITES)
    return found
