"""Values of programs and events: one tagged, total codec to JSON, and one canonical form.

JSON alone would lose the kind of some values (``1`` and ``1.0``), the exactness of others (integers beyond 2^53) and
cannot hold the rest (keywords, times, maps whose keys are not strings). Those are written as an object with a single
key that starts with ``$``; a user's own key that starts with ``$`` gets one more. Equal values have equal canonical
bytes (RFC 8785) and so equal digests.

Values are never mutated once made; vectors are lists and maps are dicts so that decoded JSON needs no copy.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, TypeAlias
from uuid import UUID
from weakref import WeakValueDictionary

import orjson
import rfc8785

from domain.kernel.errors import PrecedentError

EXACT_INTEGER: Final = 2**53 - 1
"""Beyond this magnitude a JSON reader may round an integer (RFC 7493), so it is tagged."""

COMMON_KEYWORDS: Final = 16_384
"""Keyword names that stay in memory once met."""

LEAST_PLAIN, MOST_PLAIN = 1e-3, 1e15
"""Magnitudes from and below which every JSON writer spells the shortest decimal alike, without an exponent."""

SHORT: Final = 16
"""Items of a list that are looked at one by one."""

MAX_DEPTH: Final = 80
"""Vectors and maps within each other in one value. A map may take three levels of JSON, and orjson writes 254."""

MAX_BITS: Final = 4096
"""Size of an integer: converting a longer one takes quadratic time, and Python itself refuses soon after."""

_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_SURROGATES_ON: Final = re.compile("[\ud800-\U0010ffff]")


class Keyword:
    """A name that stands for itself, written ``:name``. Interned: equal names are the same object."""

    __slots__ = ("__weakref__", "name")
    _common: ClassVar[dict[str, Keyword]] = {}
    """The first so many names, which are looked up often and kept for ever."""
    _rare: ClassVar[WeakValueDictionary[str, Keyword]] = WeakValueDictionary()
    """The rest. Weak: names come from outside too, and must not pile up."""
    name: str

    def __new__(cls, name: str) -> Keyword:  # noqa: PYI034  # the interned one, not always a new one
        """Return the one keyword of this name."""
        found = cls._common.get(name)
        if found is not None:
            return found
        found = cls._rare.get(name)
        if found is None:
            found = super().__new__(cls)
            object.__setattr__(found, "name", name)
            table = cls._common if len(cls._common) < COMMON_KEYWORDS else cls._rare
            found = table.setdefault(name, found)
        return found

    def __setattr__(self, attribute: str, value: object) -> None:
        """Refuse every change."""
        raise AttributeError(f"keyword {self!r} is immutable: {attribute} cannot become {value!r}")

    def __reduce__(self) -> tuple[type[Keyword], tuple[str]]:
        return Keyword, (self.name,)

    def __repr__(self) -> str:
        return f":{self.name}"


MapKey: TypeAlias = Keyword | str | int
Value: TypeAlias = bool | int | float | str | Keyword | UUID | datetime | list[Any] | dict[Any, Any] | None
Json: TypeAlias = bool | int | float | str | list[Any] | dict[str, Any] | None


class ValueNotEncodable(PrecedentError):
    """Return only values of the language from tools and programs: docs/messages.md lists them."""

    code = "value.not-encodable"


class ValueNotDecodable(PrecedentError):
    """The stored form of a value is malformed: the writer was not this codec, or the bytes were edited."""

    code = "value.not-decodable"


def encode(value: Value) -> Json:
    """Give the JSON form of a value. Total over ``Value``; anything else raises ``ValueNotEncodable``."""
    return _encode(value, 0)


def _encode(value: Any, depth: int) -> Json:
    kind = type(value)
    if kind is str:
        return value if value.isascii() else _encode_text(value)
    if value is None or kind is bool:
        return value  # type: ignore[no-any-return]
    if kind is float:
        return {"$float": repr(value)} if value.is_integer() or not math.isfinite(value) else value
    if kind is int:
        return value if -EXACT_INTEGER <= value <= EXACT_INTEGER else {"$int": _encode_big(value)}
    if kind is Keyword:
        return {"$kw": _encode_text(value.name)}
    if kind is datetime:
        return {"$time": _encode_time(value)}
    if kind is UUID:
        return {"$uuid": str(value)}
    if kind not in (list, tuple, dict):
        raise ValueNotEncodable(f"{kind.__name__} is no value of the language: {_short(value)}")
    if depth >= MAX_DEPTH:
        raise ValueNotEncodable(f"value is nested deeper than {MAX_DEPTH} levels; flatten it")
    if kind is dict:
        return _encode_map(value, depth + 1)
    return list(value) if _are_plain(value) else [_encode(item, depth + 1) for item in value]


def _are_plain(items: Sequence[Any]) -> bool:
    """Whether a long list is of one kind, and its own JSON form: looked at as a whole, it takes half of the time."""
    kinds = set(map(type, items)) if len(items) > SHORT else None
    if kinds == {str}:
        return all(map(str.isascii, items))
    if kinds == {float}:
        return all(map(math.isfinite, items)) and not any(map(float.is_integer, items))
    return kinds == {int} and min(items) >= -EXACT_INTEGER and max(items) <= EXACT_INTEGER


def _encode_text(value: str) -> str:
    if not value.isascii() and _SURROGATES.search(value):
        raise ValueNotEncodable(f"string holds an unpaired surrogate, which UTF-8 cannot: {_short(value)}")
    return value


def _encode_big(value: int) -> str:
    if value.bit_length() > MAX_BITS:
        raise ValueNotEncodable(f"integer has {value.bit_length()} bits; at most {MAX_BITS} are kept")
    return str(value)


def _encode_time(value: datetime) -> str:
    if value.tzinfo is None:
        raise ValueNotEncodable(f"time {value.isoformat()} has no zone; attach one (UTC is kept)")
    try:
        return format_time(value)
    except OverflowError as error:
        raise ValueNotEncodable(f"time {value.isoformat()} is outside of the years 1 to 9999 in UTC") from error


def _encode_map(value: dict[Any, Any], depth: int) -> Json:
    encoded: dict[str, Json] = {}
    for key, item in value.items():
        if type(key) is not str:
            return _encode_pairs(value, depth)
        name = "$" + key if key.startswith("$") else key
        encoded[name if name.isascii() else _encode_text(name)] = _encode(item, depth)
    return encoded


def _encode_pairs(value: dict[Any, Any], depth: int) -> Json:
    for key in value:
        if type(key) not in (str, int, Keyword):
            raise ValueNotEncodable(f"map key {_short(key)} is no keyword, string or integer")
    return {"$map": [[_encode(key, depth), _encode(value[key], depth)] for key in sorted(value, key=key_order)]}


def key_order(key: MapKey) -> tuple[int, int | str]:
    """Canonical order of map keys: integers by value, then keywords by name, then strings by code point."""
    if type(key) is int:
        return 0, key
    return (1, key.name) if isinstance(key, Keyword) else (2, key)


def decode(tree: Json) -> Value:
    """Give the value of its JSON form. Raises ``ValueNotDecodable`` on anything that ``encode`` does not write.

    So whatever decodes has the digest of its JSON form: nothing has two spellings.
    """
    return _decode(tree, 0)


def _decode(tree: Any, depth: int) -> Value:
    kind = type(tree)
    if kind is str:
        return tree if tree.isascii() else _decode_text(tree)
    if tree is None or kind is bool:
        return tree  # type: ignore[no-any-return]
    if kind is int:
        if not -EXACT_INTEGER <= tree <= EXACT_INTEGER:
            raise ValueNotDecodable(f"number {_short(tree)} would be written as $int")
        return tree  # type: ignore[no-any-return]
    if kind is float:
        if tree.is_integer() or not math.isfinite(tree):
            raise ValueNotDecodable(f"number {tree!r} would be written as $float")
        return tree  # type: ignore[no-any-return]
    if kind is not list and kind is not dict:
        raise ValueNotDecodable(f"{kind.__name__} is no JSON: {_short(tree)}")
    if depth > MAX_DEPTH:
        raise ValueNotDecodable(f"stored value is nested deeper than {MAX_DEPTH} levels")
    if kind is dict and len(tree) == 1:
        ((key, item),) = tree.items()
        if key.startswith("$") and not key.startswith("$$"):
            return _decode_tagged(key, item, depth)
    if depth == MAX_DEPTH:
        raise ValueNotDecodable(f"stored value is nested deeper than {MAX_DEPTH} levels")
    if kind is list:
        return tree.copy() if _are_plain(tree) else [_decode(item, depth + 1) for item in tree]
    return {
        key if key.isascii() and not key.startswith("$") else _unescape(key): _decode(item, depth + 1)
        for key, item in tree.items()
    }


def _decode_text(text: str) -> str:
    if not text.isascii() and _SURROGATES.search(text):
        raise ValueNotDecodable(f"string holds an unpaired surrogate: {_short(text)}")
    return text


def _unescape(key: str) -> str:
    if not key.startswith("$"):
        return _decode_text(key)
    if not key.startswith("$$"):
        raise ValueNotDecodable(f"key {key!r} is reserved; a user's own key would start with $$")
    return _decode_text(key[1:])


def _decode_tagged(tag: str, item: Any, depth: int) -> Value:
    if tag == "$map":
        return _decode_pairs(item, depth)
    read = _TAGS.get(tag)
    if read is None:
        raise ValueNotDecodable(f"tag {tag!r} is not known here (a {tag[1:]} must be resolved before it is decoded)")
    if type(item) is not str:
        raise ValueNotDecodable(f"{tag} holds {_short(item)}; a string was expected")
    try:
        return read(item)
    except ValueError as error:
        raise ValueNotDecodable(f"{tag} holds {_short(item)}: {error}") from error


def _decode_pairs(item: Any, depth: int) -> dict[Any, Any]:
    if type(item) is not list or not all(type(pair) is list and len(pair) == 2 for pair in item):
        raise ValueNotDecodable(f"$map holds {_short(item)}; a list of pairs was expected")
    if depth == MAX_DEPTH:
        raise ValueNotDecodable(f"stored value is nested deeper than {MAX_DEPTH} levels")
    pairs: dict[Any, Any] = {}
    last = None
    for raw, value in item:
        key: Any = _decode(raw, depth)
        if type(key) not in (str, int, Keyword):
            raise ValueNotDecodable(f"$map has a key that is no keyword, string or integer: {_short(raw)}")
        order = key_order(key)
        if last is not None and order <= last:
            raise ValueNotDecodable(f"$map has the key {_short(raw)} twice or in the wrong place")
        last = order
        pairs[key] = _decode(value, depth + 1)
    if all(type(key) is str for key in pairs):
        raise ValueNotDecodable(f"$map holds {_short(item)}; with string keys only it would be a plain object")
    return pairs


def _read_float(text: str) -> float:
    value = float(text)
    if text != repr(value) or (math.isfinite(value) and not value.is_integer()):
        raise ValueError("not the canonical spelling")
    return value


def _read_int(text: str) -> int:
    if len(text) > MAX_BITS // 3:
        raise ValueError("too many digits")
    value = int(text)
    if str(value) != text or -EXACT_INTEGER <= value <= EXACT_INTEGER or value.bit_length() > MAX_BITS:
        raise ValueError("not the canonical spelling")
    return value


def _read_keyword(text: str) -> Keyword:
    return Keyword(_decode_text(text))


def _read_time(text: str) -> datetime:
    moment = parse_time(text)
    if format_time(moment) != text:
        raise ValueError("not the canonical spelling")
    return moment


def _read_uuid(text: str) -> UUID:
    value = UUID(text)
    if str(value) != text:
        raise ValueError("not the canonical spelling")
    return value


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC with exactly six digits of a second: one spelling a moment, so that bytes are comparable."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat("T", "microseconds")[:-6] + "Z"


def parse_time(text: str) -> datetime:
    """Read an RFC 3339 time; the result is in UTC. Raises ``ValueError``."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        raise ValueError("no zone")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("outside of the years 1 to 9999 in UTC") from error


_TAGS: Final[Mapping[str, Callable[[str], Value]]] = {
    "$int": _read_int,
    "$float": _read_float,
    "$kw": _read_keyword,
    "$time": _read_time,
    "$uuid": _read_uuid,
}


def canonical_json(tree: Json) -> bytes:
    """RFC 8785 bytes of a JSON tree."""
    # orjson differs from RFC 8785 only in the spelling of floats that are whole or far from 1, and in the order of
    # keys beyond the BMP.
    if _have_unusual_float((tree,)):
        return rfc8785.dumps(tree)
    text = orjson.dumps(tree, option=orjson.OPT_SORT_KEYS)
    return text if text.isascii() or not _SURROGATES_ON.search(text.decode()) else rfc8785.dumps(tree)


def _have_unusual_float(items: Iterable[Any]) -> bool:
    for item in items:
        kind = type(item)
        if kind is float:
            if not (LEAST_PLAIN <= item < MOST_PLAIN or -MOST_PLAIN < item <= -LEAST_PLAIN) or item.is_integer():
                return True
        elif kind is dict:
            if _have_unusual_float(item.values()):
                return True
        elif (kind is list or kind is tuple) and _have_unusual_float(item):
            return True
    return False


def canonical(value: Value) -> bytes:
    """Canonical bytes of a value: equal values have equal bytes, on every machine and in every release."""
    return canonical_json(encode(value))


def digest(value: Value) -> str:
    """``sha256:<hex>`` of the canonical bytes."""
    return digest_bytes(canonical(value))


def digest_json(tree: Json) -> str:
    """``sha256:<hex>`` of the canonical bytes of an already encoded value."""
    return digest_bytes(canonical_json(tree))


def digest_bytes(data: bytes) -> str:
    """``sha256:<hex>`` of these bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def text_of_bytes(data: bytes) -> str:
    """Base64 (RFC 4648, with padding), the one spelling of bytes inside JSON."""
    return base64.b64encode(data).decode("ascii")


def bytes_of_text(text: str) -> bytes:
    """Read Base64 strictly. Raises ``ValueNotDecodable``."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise ValueNotDecodable(f"{_short(text)} is no Base64: {error}") from error
    if text_of_bytes(data) != text:
        raise ValueNotDecodable(f"{_short(text)} is no Base64: bits beyond the end are set")
    return data


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
