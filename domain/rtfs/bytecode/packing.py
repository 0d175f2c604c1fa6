"""Numbers, texts and lists as bytes: what stored modules and stored states are made of.

Numbers are unsigned LEB128 in its shortest form, and nothing else is read; text is UTF-8 with the number of its bytes
before it, a list has the number of its items before it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

from domain.kernel.errors import PrecedentError

Item = TypeVar("Item")


class Packer:
    """Writes one thing after the other to ``out``."""

    def __init__(self) -> None:
        self.out = bytearray()

    def number(self, value: int) -> None:
        """Write a number that is not negative."""
        while value > 127:
            self.out.append(value & 127 | 128)
            value >>= 7
        self.out.append(value)

    def numbers(self, values: Collection[int]) -> None:
        """Write numbers, one after the other."""
        if max(values) < 128:
            self.out.extend(values)
            return
        for value in values:
            self.number(value)

    def bytes(self, data: bytes) -> None:
        """Write bytes."""
        self.number(len(data))
        self.out += data

    def text(self, text: str) -> None:
        """Write a text."""
        self.bytes(text.encode())

    def list(self, items: Collection[Item], write: Callable[[Item], None]) -> None:
        """Write items, each with ``write``."""
        self.number(len(items))
        for item in items:
            write(item)


class Unpacker:
    """Reads what a ``Packer`` wrote. At what is cut off, too large or longer than need be it raises ``error``."""

    def __init__(self, data: bytes, at: int, what: str, error: type[PrecedentError]) -> None:
        self.data = data
        self.at = at
        self.what = what
        """What the bytes are, as ``the module``: for messages."""
        self.error = error

    def number(self, bits: int = 32) -> int:
        """Read a number below two to the power of ``bits``, which is at least seven."""
        at = self.at
        if at < len(self.data) and (byte := self.data[at]) < 128:
            self.at = at + 1
            return byte  # as most are
        return self._long_number(bits)

    def _long_number(self, bits: int) -> int:
        value = shift = 0
        while True:
            if self.at >= len(self.data):
                raise self.cut_off()
            byte = self.data[self.at]
            self.at += 1
            if byte < 128:
                break
            value |= (byte & 127) << shift
            shift += 7
            if shift >= bits:
                raise self.error(f"a number too large near byte {self.at}")
        if not byte:
            raise self.error(f"a number longer than need be near byte {self.at}: {self.what} is not in canonical form")
        value |= byte << shift
        if value >> bits:
            raise self.error(f"a number too large near byte {self.at}")
        return value

    def take(self, size: int) -> bytes:
        """Read so many bytes."""
        if size > len(self.data) - self.at:
            raise self.cut_off()
        self.at += size
        return self.data[self.at - size : self.at]

    def bytes(self) -> bytes:
        """Read bytes."""
        size = self.number()
        at = self.at
        self.at = end = at + size
        if end > len(self.data):
            raise self.cut_off()
        return self.data[at:end]

    def text(self) -> str:
        """Read a text. Raises ``UnicodeDecodeError`` too."""
        data, at = self.data, self.at
        if at < len(data) and (size := data[at]) < 128 and (end := at + 1 + size) <= len(data):
            self.at = end
            return data[at + 1 : end].decode()  # as most are
        return self.bytes().decode()

    def flag(self) -> bool:
        """Read a truth value."""
        value = self.number()
        if value > 1:
            raise self.error(f"{value} where 0 or 1 is expected near byte {self.at}")
        return bool(value)

    def size(self) -> int:
        """Read the number of items that follow: every item takes at least one byte, so no more than are left."""
        size = self.number()
        if size > len(self.data) - self.at:
            raise self.cut_off()
        return size

    def list(self, read: Callable[[], Item]) -> tuple[Item, ...]:
        """Read items, each with ``read``."""
        return tuple([read() for _ in range(self.size())])

    def end(self) -> None:
        """Refuse what follows."""
        if self.at != len(self.data):
            raise self.error(f"{len(self.data) - self.at} bytes follow {self.what}")

    def cut_off(self) -> PrecedentError:
        """Make the error of bytes that end too early."""
        return self.error(f"{self.what} is cut off")
