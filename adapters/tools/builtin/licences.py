"""What licence a package declares, as an SPDX identifier where that can be told.

In order: `License-Expression` (PEP 639, already SPDX); the free `License` field if it is a known name; the trove
classifiers; the `License` field as it stands if it is short; the title of a whole licence text in it.
"""

import re
from email.message import Message

_LONGEST_NAME = 80

_NAMES = {
    "mit": "MIT",
    "expat": "MIT",
    "apache": "Apache-2.0",
    "apache 2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache software": "Apache-2.0",
    "apache software 2.0": "Apache-2.0",
    "asl 2": "Apache-2.0",
    "bsd": "BSD",
    "bsd 3 clause": "BSD-3-Clause",
    "3 clause bsd": "BSD-3-Clause",
    "new bsd": "BSD-3-Clause",
    "modified bsd": "BSD-3-Clause",
    "bsd 3": "BSD-3-Clause",
    "bsd 2 clause": "BSD-2-Clause",
    "2 clause bsd": "BSD-2-Clause",
    "simplified bsd": "BSD-2-Clause",
    "isc": "ISC",
    "mpl 2.0": "MPL-2.0",
    "mozilla public 2.0": "MPL-2.0",
    "psf": "PSF-2.0",
    "psf 2.0": "PSF-2.0",
    "python software foundation": "PSF-2.0",
    "unlicense": "Unlicense",
    "the unlicense": "Unlicense",
    "zlib": "Zlib",
    "public domain": "LicenseRef-Public-Domain",
    "lgpl 3": "LGPL-3.0-only",
    "lgpl 3.0": "LGPL-3.0-only",
    "lgplv3": "LGPL-3.0-only",
    "lgplv3+": "LGPL-3.0-or-later",
    "gplv3": "GPL-3.0-only",
    "gplv2": "GPL-2.0-only",
    "gnu general public v3": "GPL-3.0-only",
    "gnu general public v3 or later": "GPL-3.0-or-later",
    "gnu general public v2": "GPL-2.0-only",
    "gnu general public v2 or later": "GPL-2.0-or-later",
    "gnu lesser general public v3": "LGPL-3.0-only",
    "gnu lesser general public v3 or later": "LGPL-3.0-or-later",
    "gnu lesser general public v2 or later": "LGPL-2.0-or-later",
    "gnu affero general public v3": "AGPL-3.0-only",
    "gnu affero general public v3 or later": "AGPL-3.0-or-later",
}
"""Simplified name -> SPDX identifier. "BSD" alone does not say which form, and stays as vague as it is."""

_SPDX = {identifier.lower(): identifier for identifier in _NAMES.values()}


def licence_of(headers: Message) -> str | None:
    """Give the declared licence; None where the package declares none."""
    expression = _clean(headers["License-Expression"])
    if expression:
        return expression
    field = _clean(headers["License"])
    first_line = field.split("\n", 1)[0].strip()
    short = "\n" not in field and len(field) <= _LONGEST_NAME
    known = _identifier(field) if short else None
    return known or _of_classifiers(headers) or (field if short else _identifier(first_line)) or None


def _of_classifiers(headers: Message) -> str | None:
    found = set()
    for classifier in headers.get_all("Classifier", []):
        parts = [part.strip() for part in classifier.split("::")]
        if parts[0] == "License" and parts[-1] not in ("License", "OSI Approved"):
            found.add(_identifier(parts[-1]) or parts[-1])
    # Several classifiers say that each applies or that one may be chosen; packages mostly mean the choice.
    return " OR ".join(sorted(found)) or None


def _identifier(name: str) -> str | None:
    """SPDX identifier of a licence's name, written in one of its usual ways."""
    if name.lower() in _SPDX:
        return _SPDX[name.lower()]
    simple = re.sub(r"\([^)]*\)", " ", name.lower())
    simple = re.sub(r"\b(the|licen[cs]ed?|version|under)\b|[,\"':]", " ", simple)
    simple = " ".join(simple.replace("-", " ").split())
    return _NAMES.get(simple)


def _clean(header: object) -> str:
    text = str(header or "").strip()
    return "" if text.upper() in ("UNKNOWN", "NONE", "N/A") else text
