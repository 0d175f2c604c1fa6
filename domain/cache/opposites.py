"""Words that turn a sentence round: negations, prefixes, and pairs of opposites that near texts often differ in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

NEGATIONS: Final = frozenset(
    {"not", "no", "never", "without", "none", "nobody", "nothing", "nowhere", "neither", "nor", "cannot", "cant"}
    | {"dont", "doesnt", "didnt", "isnt", "arent", "wasnt", "werent", "wont", "wouldnt", "couldnt", "shouldnt"}
    | {"havent", "hasnt", "hadnt", "unable", "except", "excluding"}
)

NEGATIVE_PREFIXES: Final = ("un", "dis", "de", "non-", "non", "in", "im", "ir", "il", "anti-", "anti", "mis")

_PAIRS: Final = (
    *(("on", "off"), ("open", "close"), ("opened", "closed"), ("start", "stop"), ("enable", "disable")),
    *(("enabled", "disabled"), ("increase", "decrease"), ("raise", "lower"), ("add", "remove"), ("add", "delete")),
    *(("create", "delete"), ("buy", "sell"), ("buying", "selling"), ("more", "less"), ("most", "least")),
    *(("before", "after"), ("allow", "deny"), ("allow", "block"), ("accept", "reject"), ("accept", "decline")),
    *(("approve", "deny"), ("approve", "reject"), ("include", "exclude"), ("up", "down"), ("first", "last")),
    *(("next", "last"), ("next", "previous"), ("minimum", "maximum"), ("min", "max"), ("highest", "lowest")),
    *(("high", "low"), ("higher", "lower"), ("hot", "cold"), ("best", "worst"), ("good", "bad"), ("true", "false")),
    *(("yes", "no"), ("deposit", "withdraw"), ("lend", "borrow"), ("send", "receive"), ("import", "export")),
    *(("upload", "download"), ("encrypt", "decrypt"), ("show", "hide"), ("mute", "unmute"), ("inbound", "outbound")),
    *(("arrival", "departure"), ("arrive", "depart"), ("credit", "debit"), ("income", "expense"), ("win", "lose")),
    *(("push", "pull"), ("ascending", "descending"), ("oldest", "newest"), ("earliest", "latest")),
    *(("cheapest", "dearest"), ("above", "below"), ("over", "under"), ("inside", "outside"), ("public", "private")),
)


def _both_ways() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for one, other in _PAIRS:
        found.setdefault(one, set()).add(other)
        found.setdefault(other, set()).add(one)
    return {word: frozenset(opposites) for word, opposites in found.items()}


OPPOSITES: Final[Mapping[str, frozenset[str]]] = _both_ways()
