"""The footer of a pack that lies elsewhere: which keys it holds and where, without its entries (docs/format.md, Packs).

What comes from elsewhere may be forged, so every field is checked against every other, and against the size of the
file, before it is used. A key is known here by its first eight bytes only: whoever reads an entry checks its id.
"""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from functools import cached_property, partial
from operator import sub

from blake3 import blake3

from cas.errors import PackCorrupt
from cas.objects.index import fan_bits, index_size
from cas.objects.packs import ENTRY_SIZE, MAGIC, MAX_PAYLOAD

__all__ = ["TRAILER_SIZE", "Footer", "footer_start"]

_TRAILER = struct.Struct("<QIB3sI32s8s")
_END = b"CASINDX1"
_PAIR = struct.Struct("<II")
TRAILER_SIZE = _TRAILER.size


def footer_start(name: str, trailer: bytes, size: int) -> int:
    """Where the footer of a pack of ``size`` bytes begins, by its last bytes. Raises PackCorrupt."""
    return _fields(name, trailer, size)[0]


def _fields(name: str, trailer: bytes, size: int) -> tuple[int, int, int, bytes]:
    """(where the footer begins, entries, where in it the index begins, the hash of what is before the trailer)."""
    if len(trailer) != TRAILER_SIZE or size < len(MAGIC) + TRAILER_SIZE:
        raise PackCorrupt(f"pack {name} is too short")
    start, count, bits, few, many, digest, end = _TRAILER.unpack(trailer)
    index = 16 * int.from_bytes(few, "little") + 8 * many
    if (
        end != _END
        or bits != fan_bits(count)
        or start < len(MAGIC) + ENTRY_SIZE * count
        or start + index + index_size(count) != size - TRAILER_SIZE
    ):
        raise PackCorrupt(f"pack {name} has no valid trailer")
    return start, count, index, digest


class Footer:
    """The index of a pack of ``size`` bytes; ``content`` is the pack from where its footer begins to its end.

    Raises PackCorrupt unless it is whole and its offsets make sense.
    """

    def __init__(self, name: str, size: int, content: bytes) -> None:
        self.name = name
        self.size = size
        self.content = content
        start, count, index, digest = _fields(name, content[-TRAILER_SIZE:], size)
        body = memoryview(content)[:-TRAILER_SIZE]
        if start + len(content) != size or blake3(body).digest() != digest:
            raise PackCorrupt(f"pack {name}: its index is not the one that its trailer names")
        self.start = start
        self._count = count
        bits = fan_bits(count)
        self._shift = 32 - bits
        self._fan = index
        self._prefixes = index + (4 << bits)
        self._column = self._prefixes + 8 * count

    def __len__(self) -> int:
        return self._count

    def prefixes(self) -> memoryview:
        """The first eight bytes of each key, ascending, as native 64-bit numbers."""
        return memoryview(self.content[self._prefixes : self._column]).cast("Q")

    def offsets(self, key: bytes) -> list[int]:
        """Where the entries begin that may be the key's: those that share its first eight bytes."""
        bucket = int.from_bytes(key[:4], "big") >> self._shift
        low, high = (0, *struct.unpack_from("<I", self.content, self._fan)) if not bucket else self._bounds(bucket)
        if not low <= high <= self._count:
            return []
        prefix = key[:8]
        found = []
        at = self.content.find(prefix, self._prefixes + 8 * low, self._prefixes + 8 * high)
        while at >= 0:
            place = at - self._prefixes
            if not place & 7:
                cell = self._column + 5 * (place >> 3)
                found.append(int.from_bytes(self.content[cell : cell + 5], "little"))
            at = self.content.find(prefix, at + 1, self._prefixes + 8 * high)
        return found

    def starts(self) -> list[int]:
        """Where the entries begin, in the order of :meth:`prefixes`."""
        narrow = self.content[self._column : self._column + 5 * self._count]
        wide = bytearray(8 * self._count)
        for byte in range(5):
            wide[byte::8] = narrow[byte::5]
        return list(struct.unpack(f"<{self._count}Q", wide))

    def end(self, offset: int) -> int:
        """Where the entry that begins at ``offset`` ends. Raises PackCorrupt where no entry begins there."""
        at = bisect_left(self._bounding, offset)
        if self._bounding[at : at + 1] != [offset] or at == self._count:
            raise PackCorrupt(f"pack {self.name}: no entry begins at {offset}")
        return self._bounding[at + 1]

    def ends(self, starts: Iterable[int]) -> list[int]:
        """Where the entries end that begin at ``starts``, which are among :meth:`starts`. Raises PackCorrupt."""
        bounding = self._bounding
        return list(map(bounding.__getitem__, map(partial(bisect_right, bounding), starts)))

    @cached_property
    def _bounding(self) -> list[int]:
        """Where the entries begin, ascending, and where the last one ends.

        Raises PackCorrupt unless they begin after the magic, and none overlaps or is too long.
        """
        places = [*sorted(self.starts()), self.start]
        if self._count and places[0] != len(MAGIC):
            raise PackCorrupt(f"pack {self.name}: its first entry is not at its beginning")
        gaps = list(map(sub, places[1:], places))
        if gaps and (min(gaps) < ENTRY_SIZE or max(gaps) > ENTRY_SIZE + MAX_PAYLOAD + 16):
            raise PackCorrupt(f"pack {self.name}: entries overlap, or are too long")
        return places

    def _bounds(self, bucket: int) -> tuple[int, int]:
        low, high = _PAIR.unpack_from(self.content, self._fan + 4 * (bucket - 1))
        return low, high
