"""Types that flow through a program: what is certainly wrong is refused, and nothing of it is in the bytecode.

Analysis resolves names and reduces forms; here the result is walked through once in the order in which it runs.
Function values that are written out get the types of what they are given, conditions narrow what they ask about, and
what goes round in loops is followed until it stays the same. Better inference therefore never changes a digest.
"""

from __future__ import annotations

from domain.rtfs.compiler.analysis import Analyzer
from domain.rtfs.compiler.flow.checks import unfit
from domain.rtfs.compiler.flow.functions import MAX_INSTANCES, Problem
from domain.rtfs.compiler.flow.walking import Flow
from domain.rtfs.compiler.macros import tell_frames
from domain.rtfs.compiler.problems import MOST, told_with
from domain.rtfs.compiler.scope import Definition
from domain.rtfs.source import CompileError, Related, Span
from domain.rtfs.types import Type
from domain.rtfs.types.outline import outline

__all__ = ["check_types"]


def check_types(analyzer: Analyzer, main: Definition, output: Type | None, end: Span) -> Type:
    """Give the type of a program's result. Raises ``CompileError`` for the first thing that certainly cannot work."""
    assert main.body is not None
    flow = Flow(MAX_INSTANCES)
    try:
        result = flow.enter(main, None, end)
    except RecursionError:
        # Deep functions that call one another; without following their calls, the walk is as deep as the text.
        flow = Flow(0)
        result = flow.enter(main, None, end)
    wrong = None if output is None or flow.problems else unfit(main.body, result, output)
    if wrong is not None and output is not None:
        flow.problem(f"the result is not of the output type: {wrong}", end, f"the output type is {outline(output)}")
    refused = [_refused(analyzer, problem) for problem in flow.found()[:MOST]]
    if refused:
        told_with(refused[0], refused[1:])
        raise refused[0]
    return result


def _refused(analyzer: Analyzer, problem: Problem) -> CompileError:
    span, texts = problem.span, analyzer.texts
    hint, related = problem.hint, problem.related
    if related is not None and texts.module(span.start) != texts.module(related.span.start):
        # A message shows one text: of a place in another one it tells the line.
        hint, related = f"{related.message}: {texts.line(related.span)}", None
    if related is not None:
        related = Related(texts.local(related.span), related.message)
    frames = [frame for place, frame in analyzer.expansions if place.start <= span.start and span.end <= place.end]
    error = CompileError(problem.message, analyzer.source, span, hint, related)
    tell_frames(error, frames[::-1])
    return error
