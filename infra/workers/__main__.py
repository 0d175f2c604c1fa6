"""``python -m infra.workers KIND [NAME]``: see ``infra/workers/serving.py``."""

from __future__ import annotations

import gc
from importlib import import_module

if __name__ == "__main__":
    # What is imported lives as long as the process: looking for garbage in it meanwhile takes a sixth of the start.
    gc.disable()
    serving = import_module("infra.workers.serving")
    gc.enable()
    serving.main()
