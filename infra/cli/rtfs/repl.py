"""``rtfs repl``: a dialogue with the language."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import click
from rich.text import Text

from domain.kernel.errors import PrecedentError
from domain.rtfs import vm
from domain.rtfs.bytecode.disassembly import disassemble
from domain.rtfs.types import print_type
from infra.cli.documents import DocumentInvalid, source_of
from infra.cli.errors import tell_error
from infra.cli.exits import DONE, NO
from infra.cli.invocation import Invocation, examples, invoked
from infra.cli.output import write_json
from infra.cli.rtfs.completion import completions
from infra.cli.rtfs.evaluating import show
from infra.cli.rtfs.evaluation import Evaluated, Evaluator, document_of, shown_request
from infra.cli.rtfs.interpreter import Defined, Interpreter, indentation, is_finished
from infra.cli.rtfs.modules import modules_beside
from infra.cli.rtfs.plans import known_capabilities
from infra.cli.rtfs.reference import document_of as documentation
from infra.cli.rtfs.reference import explained

COMMANDS: Final[Mapping[str, str]] = {
    ":help": "this list",
    ":type EXPRESSION": "the type of what it gives, as far as that is known before it runs",
    ":effects EXPRESSION": "what it may ask of the world",
    ":disasm EXPRESSION": "its instructions",
    ":time EXPRESSION": "its value, its time on the processor and its fuel",
    ":doc NAME": "a function or form",
    ":load FILE": "run every form of a file",
    ":quit": "leave; so does Ctrl-D",
}
_NAMES: Final = tuple(spelled.split()[0] for spelled in COMMANDS)


class _Leaving(Exception):
    """The dialogue is at its end."""


@click.command(
    epilog=examples("precedent rtfs repl", "precedent rtfs repl --call", "precedent rtfs repl < forms.rtfs"),
)
@click.option("--call", "calls", is_flag=True, help="Make effects that are pure or read; the tools are called.")
@invoked
def repl(cli: Invocation, calls: bool) -> int:
    """Read forms, run them, print their values. Definitions are kept; *1 is the last value; :help lists commands.

    On a terminal with history, completion (Tab) and lines that go on until the brackets are closed; Ctrl-C interrupts
    what runs, Ctrl-D leaves. From a pipe every form is run in turn; exit code 1 where one of them failed.
    """
    settings = cli.settings()
    capabilities = known_capabilities(settings)
    evaluator = Evaluator(
        settings,
        capabilities,
        calls,
        modules_beside(Path()),
        told=lambda request: cli.output.note(f"calls {shown_request(request, capabilities[request.capability])}"),
    )
    dialogue = Dialogue(cli, Interpreter(evaluator))
    if sys.stdin.isatty() and sys.stdout.isatty() and not cli.output.as_json:
        dialogue.converse()
        return DONE
    return dialogue.run_through(_texts())


class Dialogue:
    """One dialogue: what is typed goes in, what came of it is shown."""

    def __init__(self, cli: Invocation, interpreter: Interpreter) -> None:
        self.cli = cli
        self.interpreter = interpreter
        self.failed = False
        self._commands: Mapping[str, Callable[[str], None]] = {
            ":help": self._help,
            ":type": self._type,
            ":effects": self._effects,
            ":disasm": self._disasm,
            ":time": self._time,
            ":doc": self._doc,
            ":load": self._load,
            ":quit": self._quit,
        }

    def converse(self) -> None:
        """Ask until the person leaves."""
        from infra.cli.rtfs.terminal import reader  # noqa: PLC0415  # only a terminal needs it

        ask = reader(self.complete, self.is_finished, indentation)
        self.cli.output.note("RTFS. :help lists commands, Tab completes, Ctrl-D leaves.")
        while True:
            try:
                text = ask()
            except KeyboardInterrupt:
                continue
            except EOFError:
                return
            try:
                self.take(text)
            except KeyboardInterrupt:
                self._fail("interrupted", "interrupted")
            except _Leaving:
                return

    def run_through(self, texts: Iterator[str]) -> int:
        """Take texts until there are no more; give the exit code."""
        try:
            for text in texts:
                self.take(text)
        except _Leaving:
            pass
        return NO if self.failed else DONE

    def complete(self, text: str) -> list[str]:
        """What the word at the end of a text may become."""
        return completions(text, self.interpreter.names(), self.interpreter.evaluator.capabilities, _NAMES)

    def is_finished(self, text: str) -> bool:
        """Whether a text can be taken."""
        command, argument = _command(text)
        return is_finished(argument) if command and command not in (":doc", ":load") else is_finished(text)

    def take(self, text: str) -> None:
        """Run a text, or a command. Raises ``KeyboardInterrupt`` for Ctrl-C, which has ended what ran."""
        command, argument = _command(text)
        try:
            if command:
                self._commands[command](argument)
            else:
                self.run(text)
        except PrecedentError as error:
            self._fail(error.code, str(error))

    def run(self, text: str) -> None:
        """Run every form of a text, and show what each gave."""
        asyncio.run(self._run(text))

    async def _run(self, text: str) -> None:
        async for given in self.interpreter.feed(text):
            self._show(given)

    def _show(self, given: Evaluated | Defined) -> None:
        output, evaluator = self.cli.output, self.interpreter.evaluator
        if isinstance(given, Defined):
            if output.as_json:
                write_json({"defined": given.name})
            output.show(Text(given.name, "dim"))
            return
        if output.as_json:
            write_json(document_of(given, evaluator))
        if show(self.cli, evaluator, given) != DONE:
            self.failed = True

    def _fail(self, code: str, message: str) -> None:
        self.failed = True
        if self.cli.output.as_json:
            write_json({"error": {"code": code, "message": message}})
        tell_error(self.cli.output, message)

    def _say(self, document: object, text: str) -> None:
        if self.cli.output.as_json:
            write_json(document)
        self.cli.output.show(Text(text))

    def _help(self, _: str) -> None:
        width = max(map(len, COMMANDS))
        self._say(
            {"commands": COMMANDS}, "\n".join(f"{spelled:<{width}}  {does}" for spelled, does in COMMANDS.items())
        )

    def _type(self, text: str) -> None:
        program, _ = self.interpreter.compiled(text)
        self._say({"type": print_type(program.gives)}, print_type(program.gives))

    def _effects(self, text: str) -> None:
        program, _ = self.interpreter.compiled(text)
        effects = [{"name": each.name, "version": each.version, "mode": each.mode} for each in program.effects]
        lines = [f"{each.name} version {each.version} ({each.mode})" for each in program.effects]
        self._say({"effects": effects}, "\n".join(lines) or "none: it is pure")

    def _disasm(self, text: str) -> None:
        program, _ = self.interpreter.compiled(text)
        listing = disassemble(program.module, program.source_map)
        self._say({"listing": listing.splitlines()}, listing.rstrip("\n"))

    def _time(self, text: str) -> None:
        began = time.process_time()
        self.run(text)
        seconds = time.process_time() - began
        last = self.interpreter.last
        fuel = last.step.fuel if last is not None and isinstance(last.step, vm.Finished | vm.Trapped) else 0
        self._say({"seconds": seconds, "fuel": fuel}, f"{seconds * 1e3:.2f} ms on the processor, {fuel} units of fuel")

    def _doc(self, name: str) -> None:
        if self.cli.output.as_json:
            write_json(documentation(name))
        self.cli.output.show(*explained(name))

    def _load(self, file: str) -> None:
        self.run(source_of(file))

    def _quit(self, _: str) -> None:
        raise _Leaving


def _command(text: str) -> tuple[str, str]:
    """A command and its argument; two empty texts where the text is none."""
    words = text.split(maxsplit=1)
    if not words or words[0] not in _NAMES:
        return "", ""
    return words[0], words[1].strip() if len(words) > 1 else ""


def _texts() -> Iterator[str]:
    """Texts of stdin, each as soon as it is whole; one that stdin ends within has its lines counted in all of it."""
    text, lines, begun = "", 0, 0
    try:
        for line in sys.stdin:
            begun = begun if text.strip() else lines
            text = text + line if text.strip() else line
            lines += 1
            if text.strip() and (is_finished(text) or _command(text)[0]):
                yield text
                text = ""
    except UnicodeDecodeError as error:
        raise DocumentInvalid(f"stdin: this is not UTF-8 text (byte {error.start})") from None
    if text.strip():
        yield "\n" * begun + text
