"""The dialogue on a terminal: history, completion, colours, and lines that go on until the brackets are closed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.lexers import PygmentsLexer

from infra.cli.rtfs.completion import WORD


def state_folder() -> Path:
    """Where a user's programs keep what is no configuration and may be lost (XDG)."""
    configured = os.environ.get("XDG_STATE_HOME", "")
    base = Path(configured) if Path(configured).is_absolute() else Path.home() / ".local" / "state"
    return base / "precedent"


def history() -> History:
    """What was typed before, kept for this user alone; in memory only where nothing can be written."""
    try:
        folder = state_folder()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / "rtfs-history"
        os.close(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
    except (OSError, RuntimeError):
        return InMemoryHistory()
    return FileHistory(str(path))


class _Completing(Completer):
    def __init__(self, complete: Callable[[str], list[str]]) -> None:
        self._complete = complete

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:  # noqa: ARG002
        text = document.text_before_cursor
        match = WORD.search(text)
        typed = len(match.group()) if match else 0
        return [Completion(each, start_position=-typed) for each in self._complete(text)]


def reader(
    complete: Callable[[str], list[str]], is_finished: Callable[[str], bool], indentation: Callable[[str], int]
) -> Callable[[], str]:
    """What asks for one text. It raises ``EOFError`` for Ctrl-D, ``KeyboardInterrupt`` for Ctrl-C."""
    keys = KeyBindings()

    @keys.add("enter")
    def enter(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if not buffer.text.strip() or (not buffer.document.text_after_cursor.strip() and is_finished(buffer.text)):
            buffer.validate_and_handle()
        else:
            buffer.insert_text("\n" + " " * indentation(buffer.document.text_before_cursor))

    session: PromptSession[str] = PromptSession(
        history=history(),
        completer=_Completing(complete),
        complete_while_typing=False,
        key_bindings=keys,
        lexer=PygmentsLexer.from_filename("plan.clj"),
        multiline=True,
        prompt_continuation=_continuation,
    )
    return lambda: session.prompt("rtfs> ")


def _continuation(width: int, *_: Any) -> str:
    return " " * width
