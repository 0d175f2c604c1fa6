"""The ground truth executed as the package's own runner does it: imported plainly, with the machine's clock.

Nothing of our tools, plans or isolation takes part, so that agreement means something.
"""

from __future__ import annotations

import importlib
import sys
from copy import deepcopy
from typing import Any, Final

import orjson

from domain.kernel.values import Value
from infra.bench.bfcl.corpus import Entry
from infra.bench.bfcl.isolation import MODULES
from infra.bench.bfcl.world import to_value

_BACKEND: Final = "bfcl_eval.eval_checker.multi_turn_eval.func_source_code"
_STATELESS: Final = "MathAPI"


def ground_truth(entry: Entry) -> list[Value]:
    """Results of all calls in order. Raises what a method raises."""
    # A fresh import for each entry, as the package's constants are changed by long-context calls.
    for name in [name for name in sys.modules if name.startswith(f"{_BACKEND}.")]:
        del sys.modules[name]
    config = orjson.loads(entry.config)
    methods: dict[str, Any] = {}
    for class_name in entry.classes:
        instance = getattr(importlib.import_module(f"{_BACKEND}.{MODULES[class_name]}"), class_name)()
        if class_name != _STATELESS:
            instance._load_scenario(config.get(class_name, {}), long_context=entry.long_context)  # noqa: SLF001
        methods.update({name: getattr(instance, name) for name in dir(instance) if not name.startswith("_")})
    # Methods keep the lists that they are given and change them; the package parses the call's text every time.
    return [to_value(methods[call.name](*deepcopy(call.args), **deepcopy(call.kwargs))) for call in entry.calls]
