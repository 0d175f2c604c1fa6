"""A made package of the shape of ``bfcl-eval``: eight small classes and three entries of our own."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import pytest

from infra.bench.bfcl.corpus import Corpus
from infra.bench.bfcl.isolation import FOLDER, MODULES

LONG_CONTEXT = """
CARDS = {"7": {"balance": 100}}
"""

FILES = """
import datetime
from typing import Dict, List, Optional, Union
from bfcl_eval.eval_checker.multi_turn_eval.func_source_code.long_context import CARDS

class Note:
    def __init__(self, text):
        self.text = text
        self.made = datetime.datetime.now()

class GorillaFileSystem:
    def _load_scenario(self, scenario: dict, long_context: bool = False) -> None:
        self.notes = {name: Note(text) for name, text in scenario.get("notes", {}).items()}

    def ls(self, a: bool = False) -> Dict[str, List[str]]:
        '''List the notes.'''
        return {"notes": [name for name in self.notes if a or not name.startswith(".")]}

    def write(self, note_name: str, content: Optional[str] = None) -> Union[None, Dict[str, str]]:
        '''Write a note.'''
        self.notes[note_name] = Note(content or "")
        return None

    def keep(self, names: List[str]) -> None:
        '''Keep a list of names, and add to it.'''
        self.kept = getattr(self, "kept", names)
        self.kept.extend(names)

    def raw(self, names: List[str]):
        '''Notes as they are kept.'''
        return [self.notes[name] for name in names]
"""

TRAVEL = """
import random
from datetime import datetime
from typing import Dict, Union
from bfcl_eval.eval_checker.multi_turn_eval.func_source_code.long_context import CARDS

class TravelAPI:
    def _load_scenario(self, scenario, long_context=False):
        self.cards = CARDS if long_context else scenario.get("cards", {})
        self._random = random.Random(scenario.get("random_seed", 1))

    def pay(self, card: str, amount: float) -> Dict[str, float]:
        '''Charge a card.'''
        self.cards[card]["balance"] -= amount
        return self.cards[card]

    def age(self, born: str) -> Dict[str, int]:
        '''Years since then.'''
        return {"years": datetime.today().year - datetime.strptime(born, "%Y-%m-%d").year}

    def draw(self) -> int:
        '''A number.'''
        return self._random.randint(1, 10**6)
"""

MATH = """
from decimal import Decimal, getcontext
import mpmath

class MathAPI:
    def add(self, a: float, b: float) -> dict:
        '''Sum.'''
        return {"result": a + b}

    def square_root(self, number: float, precision: int) -> dict:
        '''Root.'''
        getcontext().prec = precision
        return {"result": Decimal(number).sqrt()}

    def unknown(self) -> dict:
        '''What is no value.'''
        return {"result": ...}
"""

OTHER = """
class {name}:
    def _load_scenario(self, scenario, long_context=False):
        self.kept = scenario
"""

ENTRIES = {
    "base": [
        {
            "id": "multi_turn_base_0",
            "initial_config": {"GorillaFileSystem": {"notes": {"b": "2", "a": "1", ".c": "3"}}},
            "involved_classes": ["GorillaFileSystem", "MathAPI"],
            "truth": [["ls(a=True)", "write('d', content='it\\'s \"new\"\\n')"], [], ["ls()", "add(a=1,b=-2.5)"]],
        }
    ],
    "long_context": [
        {
            "id": "multi_turn_long_context_0",
            "initial_config": {},
            "involved_classes": ["TravelAPI"],
            "truth": [["pay(card='7', amount=30)"]],
        },
        {
            "id": "multi_turn_long_context_1",
            "initial_config": {"TravelAPI": {"random_seed": 5}},
            "involved_classes": ["TravelAPI"],
            "truth": [["draw()", "age(born='2000-01-01')", "pay('7', 1.5)", "draw()"]],
        },
    ],
}


@pytest.fixture
def made_corpus(tmp_path: Path) -> Corpus:
    """The made package, written to disk."""
    code = tmp_path / FOLDER
    code.mkdir(parents=True)
    sources = {"long_context": LONG_CONTEXT, "gorilla_file_system": FILES, "travel_booking": TRAVEL, "math_api": MATH}
    for class_name, module in MODULES.items():
        sources.setdefault(module, OTHER.format(name=class_name))
    for module, text in sources.items():
        (code / f"{module}.py").write_text(dedent(text))
    answers = tmp_path / "data" / "possible_answer"
    answers.mkdir(parents=True)
    for category, entries in ENTRIES.items():
        name = f"BFCL_v4_multi_turn_{category}.json"
        questions = [{key: value for key, value in entry.items() if key != "truth"} for entry in entries]
        truths = [{"id": entry["id"], "ground_truth": entry["truth"]} for entry in entries]
        (answers.parent / name).write_text("".join(json.dumps(line) + "\n" for line in questions))
        (answers / name).write_text("".join(json.dumps(line) + "\n" for line in truths))
    return Corpus(tmp_path, "0.made")
