"""Removes secrets from a recorded run so that it still replays: what is left is a history that may be shared.

Steps, in this order:

1. The run replays as it is: else there is nothing that could be kept.
2. Secrets are found: every text, number and time beneath the named fields of inputs, arguments, results and output, and
   every text that looks like a key, token or password, wherever it stands.
3. Each secret text has one stand-in of the same length, put in its place in every text and in the program's constants.
4. The program is executed on what is left; requests, output, verdict and all digests are what it now makes of them, so
   that nothing derived from a secret stays. Digests of what else was seen are blanked: a short secret can be guessed.
5. The new history replays, and no secret is in it. Otherwise the redaction is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from domain.kernel.errors import PrecedentError
from domain.kernel.values import bytes_of_text, digest_bytes, digest_json, encode, text_of_bytes
from domain.rtfs import vm
from domain.rtfs.bytecode.encoding import decode_module, encode_module
from domain.runs.critic import judge
from domain.runs.events import (
    ModelCallRequested,
    OutcomeResolved,
    RunCompleted,
    RunFailed,
    ToolCallCompleted,
    VerdictReached,
)
from domain.runs.guard import Asked
from domain.runs.journal import PROGRAM_LIMITS, ReplayDiverged, answer_of, asked_by, loaded
from domain.runs.parts import RunEvent
from domain.runs.planning import ProgramCompiled
from domain.runs.replay import HistoryInvalid, fold, verify
from domain.runs.state import Run

SHORTEST: Final = 4
"""Characters of a secret that is looked for everywhere; a shorter one is replaced in its own field only."""

BLANK: Final = digest_json("redacted")
"""In place of the digest of what a decision saw."""

PATTERNS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"\b(sk-[A-Za-z0-9_-]{16,})",
        r"\b((?:gh[pousr]_|github_pat_|glpat-|npm_|hf_)[A-Za-z0-9_-]{16,})",
        r"\b((?:AKIA|ASIA)[0-9A-Z]{16})\b",
        r"\b(AIza[0-9A-Za-z_-]{35})",
        r"\b(xox[abeprs]-[0-9A-Za-z-]{10,})",
        r"\b(eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*)",
        r"(?i)\bbearer\s+([A-Za-z0-9._~+/=-]{8,})",
        r"://[^/\s:@]+:([^/\s@]{1,})@",
        r"(?i)\b(?:password|passwd|secret|token|api[_-]?key)\b[\"']?\s*[=:]\s*[\"']?([^\s\"'&,;{}]{4,})",
        r"(-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]+?-----END [A-Z ]*PRIVATE KEY-----)",
    )
)
"""What looks like a secret: group 1 is it."""

_VALUES: Final = ("arguments", "result", "output")
_STRUCTURE: Final = frozenset({
    "tool", "version", "effect", "effects", "module", "source_map", "digest", "interface_hash", "request_digest",
    "result_digest", "output_digest", "deadline", "due", "worker", "route", "layer", "forked_from", "transcript",
    "model", "served_model",
})  # fmt: skip
_TASK_STRUCTURE: Final = frozenset({"input", "output", "tools", "approvals", "model", "limits", "cache"})
_IN_PLACE: Final = {
    "$time": "2000-01-01T00:00:00.000000Z",
    "$uuid": "00000000-0000-0000-0000-000000000000",
    "$float": "1.0",
}


class NotRedactable(PrecedentError):
    """Name other fields, or do not share this run: the message says what its redaction would break."""

    code = "run.not-redactable"


def redacted(events: Sequence[RunEvent], fields: Iterable[str] = ()) -> Sequence[RunEvent]:
    """The run without secrets; the very events where there are none.

    Raises ``NotRedactable``; ``ReplayDiverged`` where the run has secrets and does not replay.
    """
    redaction = Redaction(events, frozenset(fields))  # 2
    if redaction.is_empty:
        return events
    verify(events)  # 1
    replaced = [redaction.replaced(event) for event in events]  # 3
    made = _executed(replaced)  # 4
    try:
        verify(made)  # 5
    except (ReplayDiverged, HistoryInvalid) as error:
        raise NotRedactable(f"without its secrets the program does something else: {error}") from error
    redaction.check(made)
    return made


class Redaction:
    """What is to be removed from one run, and what stands in for it."""

    def __init__(self, events: Sequence[RunEvent], fields: frozenset[str]) -> None:
        """Find it. Raises ``NotRedactable`` for a field that no value of the run has."""
        self._fields = fields
        self._found: set[str] = set()
        secrets: dict[str, None] = {}
        for event in events:
            data = event.as_json()
            for tree in _values_of(data):
                for text in self._beneath(tree, named=False):
                    secrets[text] = None
            _outside_structure(data, lambda tree: secrets.update(_patterned(tree)))
        if missing := sorted(fields - self._found):
            raise NotRedactable(f"no input, argument, result or output of this run has a field {', '.join(missing)}")
        self._stand_ins = {text: _stand_in(number, len(text)) for number, text in enumerate(secrets, start=1)}
        wide = sorted((text for text in secrets if len(text) >= SHORTEST), key=len, reverse=True)
        self._everywhere = re.compile("|".join(map(re.escape, wide))) if wide else None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to remove."""
        return not self._fields and not self._stand_ins

    def _beneath(self, tree: Any, *, named: bool) -> Iterator[str]:
        """Texts beneath the named fields."""
        if isinstance(tree, str):
            if named and tree:
                yield tree
        elif isinstance(tree, list):
            for item in tree:
                yield from self._beneath(item, named=named)
        elif isinstance(tree, dict) and (tag := _tag(tree)) is not None:
            if tag == "$map":
                for key, item in tree["$map"]:
                    yield from self._beneath(item, named=self._is_named(_name(key)) or named)
        elif isinstance(tree, dict):
            for key, item in tree.items():
                yield from self._beneath(item, named=self._is_named(key.removeprefix("$")) or named)

    def _is_named(self, key: str) -> bool:
        if key in self._fields:
            self._found.add(key)
            return True
        return False

    def replaced(self, event: RunEvent) -> RunEvent:
        """An event with stand-ins instead of secrets; its digests are wrong."""
        data = _outside_structure(event.as_json(), self._texts_replaced)
        for holder, name in _places(data):
            holder[name] = self._fields_replaced(holder[name], named=False)
        if isinstance(event, ProgramCompiled):
            data["module"] = self._module(event.module)
            data["digest"] = digest_bytes(bytes_of_text(data["module"]))
        if "decision" in data:
            data["decision"]["saw"] = BLANK
        if data.get("transcript") is not None:
            data["transcript"] = None
        return type(event).model_validate(data)

    def _module(self, module: str) -> str:
        parts = decode_module(bytes_of_text(module))
        constants = tuple(self._texts_replaced(constant) for constant in parts.constants)
        return text_of_bytes(encode_module(replace(parts, constants=constants)))

    def _text(self, text: str) -> str:
        if self._everywhere is None:
            return text
        return self._everywhere.sub(lambda match: self._stand_ins[match.group(0)], text)

    def _texts_replaced(self, tree: Any) -> Any:
        if isinstance(tree, str):
            return self._text(tree)
        if isinstance(tree, list):
            return [self._texts_replaced(item) for item in tree]
        if isinstance(tree, dict):
            return {
                self._text(key) if isinstance(key, str) else key: self._texts_replaced(item)
                for key, item in tree.items()
            }
        return tree

    def _fields_replaced(self, tree: Any, *, named: bool) -> Any:
        if isinstance(tree, str):
            return self._stand_ins.get(tree, tree) if named else tree
        if isinstance(tree, bool) or tree is None:
            return tree
        if isinstance(tree, int | float):
            return _number(tree) if named else tree
        if isinstance(tree, list):
            return [self._fields_replaced(item, named=named) for item in tree]
        tag = _tag(tree)
        if tag == "$map":
            pairs = [
                [key, self._fields_replaced(item, named=named or _name(key) in self._fields)]
                for key, item in tree["$map"]
            ]
            return {"$map": pairs}
        if tag is not None:
            return {tag: _IN_PLACE.get(tag, "1" * len(str(tree[tag])))} if named and tag != "$kw" else tree
        return {
            key: self._fields_replaced(item, named=named or key.removeprefix("$") in self._fields)
            for key, item in tree.items()
        }

    def check(self, events: Iterable[RunEvent]) -> None:
        """See that no secret is left. Raises ``NotRedactable``."""
        for number, event in enumerate(events, start=1):
            for text in _free_texts(event):
                if self._everywhere is not None and (left := self._everywhere.search(text)) is not None:
                    secret = left.group(0)
                    raise NotRedactable(
                        f"event {number} ({event.short_name()}) still has a secret of {len(secret)} characters"
                    )


def _executed(events: Sequence[RunEvent]) -> list[RunEvent]:
    """The events as the program makes them from what it is now given."""
    run = fold(events)
    if run.program is None:
        return [_with_digests(event, {}) for event in events]
    asked, step = _asked(run, run.program)
    made = []
    for event in events:
        changed = _with_digests(event, asked)
        if isinstance(changed, VerdictReached) and isinstance(step, vm.Finished):
            changed = judge(run.accepted_task, step.value)
        elif isinstance(changed, RunCompleted) and isinstance(step, vm.Finished):
            output = encode(step.value)
            changed = RunCompleted(output=output, output_digest=digest_json(output))
        elif isinstance(changed, RunFailed) and isinstance(step, vm.Trapped) and changed.effect == step.error.effect:
            fault = changed.error.model_copy(update={"message": step.error.message})
            changed = changed.model_copy(update={"error": fault})
        made.append(changed)
    return made


def _asked(run: Run, program: ProgramCompiled) -> tuple[Mapping[str, Asked], vm.Step]:
    """Everything that the program asks when the journal answers whatever is asked at its keys."""
    found: dict[str, Asked] = {}
    step = vm.start(loaded(program.module)[1], {"inputs": run.accepted_task.input_values}, PROGRAM_LIMITS)
    while isinstance(step, vm.Suspended | vm.Yielded):
        if isinstance(step, vm.Yielded):
            step = vm.resume(step.state, {})
            continue
        answers: dict[str, vm.Answer] = {}
        for request in step.requests:
            asked = found[request.key] = asked_by(program, request)
            entry = run.journal.get(asked.key)
            if entry is not None and entry.tool == asked.tool:
                answer = answer_of(replace(entry, request_digest=asked.digest), asked)
                if answer is not None:
                    answers[asked.key] = answer
        if len(answers) < len(step.requests):
            return found, step
        step = vm.resume(step.state, answers)
    return found, step


def _with_digests(event: RunEvent, asked: Mapping[str, Asked]) -> RunEvent:
    data = event.__dict__
    update: dict[str, Any] = {}
    now = asked.get(data.get("effect", ""))
    if now is not None and "request_digest" in data:
        update["request_digest"] = now.digest
        if data.get("arguments") is not None:
            update["arguments"] = now.arguments
        if "decision" in data:
            update["decision"] = data["decision"].model_copy(update={"saw": now.digest})
    if isinstance(event, ToolCallCompleted) or (isinstance(event, OutcomeResolved) and event.result_digest is not None):
        update["result_digest"] = digest_json(event.result)
    if isinstance(event, ModelCallRequested):
        update["request_digest"] = digest_json(event.request)
    return event.model_copy(update=update) if update else event


def _outside_structure(data: dict[str, Any], do: Callable[[Any], Any]) -> dict[str, Any]:
    """Do something with every field that is no name, type, version, digest or bytecode; the others stay."""
    made = {key: item if key in _STRUCTURE else do(item) for key, item in data.items() if key != "task"}
    if "task" in data:
        task = data["task"]
        made["task"] = {key: item if key in _TASK_STRUCTURE else do(item) for key, item in task.items()}
    return {key: made[key] for key in data}


def _free_texts(event: RunEvent) -> list[str]:
    """Every text of an event that is no structure, those of its program included."""
    texts: list[str] = []
    _outside_structure(event.as_json(), lambda tree: texts.extend(_texts(tree)))
    if isinstance(event, ProgramCompiled):
        texts.extend(_texts(encode(list(decode_module(bytes_of_text(event.module)).constants))))
    return texts


def _patterned(tree: Any) -> dict[str, None]:
    """Texts within a tree that look like secrets."""
    return {match.group(1): None for text in _texts(tree) for each in PATTERNS for match in each.finditer(text)}


def _places(data: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    places: list[tuple[dict[str, Any], str]] = [(data, name) for name in _VALUES if name in data]
    return [*places, (data["task"], "inputs")] if "task" in data else places


def _values_of(data: dict[str, Any]) -> Iterator[Any]:
    for holder, name in _places(data):
        yield holder[name]


def _texts(tree: Any) -> Iterator[str]:
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, list):
        for item in tree:
            yield from _texts(item)
    elif isinstance(tree, dict):
        for key, item in tree.items():
            yield key
            yield from _texts(item)


def _tag(tree: dict[str, Any]) -> str | None:
    key = next(iter(tree), "")
    return key if len(tree) == 1 and key.startswith("$") and not key.startswith("$$") else None


def _name(key: Any) -> str:
    return str(key["$kw"]) if isinstance(key, dict) and "$kw" in key else str(key)


def _number(value: float) -> float:
    made = int("1" * len(str(abs(int(value)))))
    return made if isinstance(value, int) else made + 0.5


def _stand_in(number: int, length: int) -> str:
    """So many characters, of which no two secrets get the same if they are long enough."""
    word = f"redacted-{number}-" if length >= len(f"redacted-{number}-") else f"r{number}"
    return (word + "x" * length)[:length]
