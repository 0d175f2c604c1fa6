"""The ground truth of an entry as an RTFS program: its calls in order, giving their results turn by turn."""

from __future__ import annotations

from itertools import count
from typing import Any

from domain.kernel.values import Keyword
from domain.rtfs.printer import print_value
from infra.bench.bfcl.catalogue import Catalogue, Method
from infra.bench.bfcl.corpus import Call, CorpusInvalid, Entry
from infra.bench.bfcl.world import to_value


def plan_of(entry: Entry, catalogue: Catalogue) -> str:
    """Source of the program. Raises ``CorpusInvalid`` or ``NoSuchMethod`` for a call that no method fits.

    The result is a vector of turns, each a vector of results, which is how the package's own checker compares them.
    """
    numbers = count()
    bindings: list[str] = []
    turns: list[str] = []
    for turn in entry.turns:
        names = [f"r{next(numbers)}" for _ in turn]
        bindings += [f"{name} {_call(call, entry, catalogue)}" for name, call in zip(names, turn, strict=True)]
        turns.append(f"[{' '.join(names)}]")
    bound = "\n      ".join(bindings)
    return f"(let [{bound}]\n  [{' '.join(turns)}])\n"


def tools_of(entry: Entry, catalogue: Catalogue) -> list[str]:
    """Names of the tools that the program calls, sorted."""
    return sorted({catalogue.resolve(entry.classes, call.name).tool for call in entry.calls})


def _call(call: Call, entry: Entry, catalogue: Catalogue) -> str:
    method = catalogue.resolve(entry.classes, call.name)
    arguments = arguments_of(call, method, entry.id)
    if not arguments:
        return f"(call :{method.tool})"
    given = {Keyword(key): to_value(arguments[name]) for key, name in method.names.items() if name in arguments}
    return f"(call :{method.tool} {print_value(given)})"


def arguments_of(call: Call, method: Method, where: str) -> dict[str, Any]:
    """Arguments by Python name. Raises ``CorpusInvalid`` where the call does not fit the method's signature."""
    parameters = tuple(method.names.values())
    if len(call.args) > len(parameters):
        raise CorpusInvalid(f"{where}: {call.name} takes {len(parameters)} arguments, not {len(call.args)}")
    positional = dict(zip(parameters, call.args, strict=False))
    wrong = sorted(name for name in call.kwargs if name not in parameters or name in positional)
    if wrong:
        raise CorpusInvalid(f"{where}: {call.name} takes {', '.join(wrong)} not at all, or was given it twice")
    return {**positional, **call.kwargs}
