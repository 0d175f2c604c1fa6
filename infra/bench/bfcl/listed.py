"""The classes of BFCL as a module to list under ``tools``: workers and the command line then have them."""

from __future__ import annotations

from typing import Final

from infra.bench.bfcl.corpus import locate
from infra.bench.bfcl.tools import BfclTools

CLASSES: Final = BfclTools(locate())
