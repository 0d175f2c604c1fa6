"""The write side at a glance: which command is handled how, and which event sets off what. Nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from commands.cache.feedback import withdraw_refuted
from commands.cache.handling import clear_shared, decide_cache, named_entry
from commands.handle import Handling, Reaction
from commands.programs.handling import check_reinstating, check_successor, decide_program, named_program
from commands.runs.handling import decide_run, named_run, new_run, wake_driver
from domain.cache import commands as cache
from domain.programs import commands as program
from domain.runs import commands as run

COMMANDS: Final[Mapping[str, Handling]] = {
    "SubmitRun": Handling(command=run.SubmitRun, category="run", stream=new_run, decide=decide_run, creates=True),
    "PauseRun": Handling(command=run.PauseRun, category="run", stream=named_run, decide=decide_run),
    "ResumeRun": Handling(command=run.ResumeRun, category="run", stream=named_run, decide=decide_run),
    "CancelRun": Handling(command=run.CancelRun, category="run", stream=named_run, decide=decide_run),
    "GrantApproval": Handling(command=run.GrantApproval, category="run", stream=named_run, decide=decide_run),
    "RefuseApproval": Handling(command=run.RefuseApproval, category="run", stream=named_run, decide=decide_run),
    "ResolveOutcome": Handling(command=run.ResolveOutcome, category="run", stream=named_run, decide=decide_run),
    "RevokeProgram": Handling(
        command=program.RevokeProgram, category="program", stream=named_program, decide=decide_program
    ),
    "DemoteProgram": Handling(
        command=program.DemoteProgram, category="program", stream=named_program, decide=decide_program
    ),
    "SupersedeProgram": Handling(
        command=program.SupersedeProgram,
        category="program",
        stream=named_program,
        decide=decide_program,
        check=check_successor,
    ),
    "ReinstateProgram": Handling(
        command=program.ReinstateProgram,
        category="program",
        stream=named_program,
        decide=decide_program,
        check=check_reinstating,
    ),
    "InvalidateCache": Handling(
        command=cache.InvalidateCache, category="cache", stream=named_entry, decide=decide_cache
    ),
    "InvalidateEntry": Handling(
        command=cache.InvalidateEntry, category="cache", stream=named_entry, decide=decide_cache
    ),
    "JudgeReuse": Handling(command=cache.JudgeReuse, category="cache", stream=named_entry, decide=decide_cache),
}

REACTIONS: Final[Mapping[str, Sequence[Reaction]]] = {
    "RunSubmitted": (wake_driver,),
    "RunPaused": (wake_driver,),
    "RunResumed": (wake_driver,),
    "RunCancelled": (wake_driver,),
    "ApprovalGranted": (wake_driver,),
    "ApprovalRefused": (wake_driver,),
    "OutcomeResolved": (wake_driver,),
    "CacheInvalidated": (clear_shared,),
    "CacheEntryInvalidated": (clear_shared,),
    "ReuseJudged": (withdraw_refuted,),
}
