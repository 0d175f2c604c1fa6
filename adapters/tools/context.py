"""What a tool may know about the call it answers."""

from adapters.tools.settings import ToolSettings
from domain.kernel.errors import PrecedentError
from domain.tools import CallContext


class ToolContext:
    """Given to tools whose first parameter is annotated with it; not part of the tool's signature."""

    __slots__ = ("call", "settings", "transcript")

    def __init__(self, call: CallContext, settings: ToolSettings) -> None:
        """Make the context of one call."""
        self.call = call
        """Tenant, run and effect; `call.idempotency_key` names this effect to services that can recognise repeats."""
        self.settings = settings
        self.transcript: bytes | None = None
        """Set it to what was printed, and it is kept in the content store."""


class ToolFault(PrecedentError):
    """Raise it in a tool to fail with a type of your own; programs match on that type.

    Any other exception also fails the call, as `tool.raised`.
    """

    code = "tool.fault"

    def __init__(self, type: str, message: str, *, retryable: bool = False, outcome_unknown: bool = False) -> None:  # noqa: A002  # the journal's word
        """Describe the failure: see `domain.tools.ToolFailed`."""
        super().__init__(message)
        self.type = type
        self.message = message
        self.retryable = retryable
        self.outcome_unknown = outcome_unknown
