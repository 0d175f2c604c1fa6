"""The machine: runs modules as pure values, giving every effect to its host and going on with the answer."""

from domain.rtfs.metering import Limits
from domain.rtfs.vm.execution import ArgumentsInvalid, UnexpectedAnswer, resume, start
from domain.rtfs.vm.loading import Module, load
from domain.rtfs.vm.state_decoding import decode_state
from domain.rtfs.vm.state_encoding import StateTooLarge, encode_state
from domain.rtfs.vm.state_values import StateInvalid
from domain.rtfs.vm.steps import (
    Answer,
    EffectRequest,
    ErrorValue,
    Finished,
    Raised,
    Returned,
    State,
    Step,
    Suspended,
    Trapped,
    Yielded,
)

__all__ = [
    "Answer",
    "ArgumentsInvalid",
    "EffectRequest",
    "ErrorValue",
    "Finished",
    "Limits",
    "Module",
    "Raised",
    "Returned",
    "State",
    "StateInvalid",
    "StateTooLarge",
    "Step",
    "Suspended",
    "Trapped",
    "UnexpectedAnswer",
    "Yielded",
    "decode_state",
    "encode_state",
    "load",
    "resume",
    "start",
]
