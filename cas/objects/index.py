"""The index in a pack's footer: which key begins where (docs/format.md, Packs). Pure functions.

Keys are hashes, so a fan-out by their first bits gives buckets of at most 16 entries on average; a
bucket is searched for the first eight bytes of a key by one search over its bytes.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from mmap import mmap

from cas.errors import PackCorrupt

__all__ = ["MAX_BITS", "build_index", "fan_bits", "finder", "index_faults", "index_size", "offsets", "prefixed"]

MAX_BITS = 24
_PER_BUCKET = 16
_PAIR = struct.Struct("<II")


def fan_bits(count: int) -> int:
    """The least number of bits that gives at most 16 entries a bucket on average, at most 24."""
    return min(MAX_BITS, max(0, ((count + _PER_BUCKET - 1) // _PER_BUCKET - 1).bit_length()))


def index_size(count: int) -> int:
    """The bytes of an index of so many entries."""
    return (4 << fan_bits(count)) + 13 * count


def build_index(entries: Mapping[bytes, int]) -> bytes:
    """The index of entries, given where each key's entry begins."""
    keys = sorted(entries)
    count = len(keys)
    bits = fan_bits(count)
    bounds = [(bucket << (32 - bits)).to_bytes(4, "big") for bucket in range(1, 1 << bits)]
    fan = [bisect_left(keys, bound) for bound in bounds]
    fan.append(count)
    wide = struct.pack(f"<{count}Q", *map(entries.__getitem__, keys))
    narrow = bytearray(5 * count)
    for byte in range(5):
        narrow[byte::5] = wide[byte::8]
    return b"".join((struct.pack(f"<{len(fan)}I", *fan), b"".join([key[:8] for key in keys]), narrow))


def finder(pages: mmap, start: int, count: int, entries_end: int) -> Callable[[bytes], int]:
    """A function from a key to where its entry begins, or -1.

    ``start`` is where the index begins. The function raises PackCorrupt where the index leads astray.
    """
    bits = fan_bits(count)
    shift = 32 - bits
    prefixes = start + (4 << bits)
    column = prefixes + 8 * count
    before = start - 4
    search = pages.find
    pair = _PAIR.unpack_from

    def find(key: bytes) -> int:
        bucket = int.from_bytes(key[:4], "big") >> shift
        low, high = pair(pages, before + 4 * bucket)
        if not bucket:
            low = 0
        if low > high or high > count:
            raise PackCorrupt("the fan-out of the index is out of order")
        prefix = key[:8]
        end = prefixes + 8 * high
        at = search(prefix, prefixes + 8 * low, end)
        while at >= 0:
            place, astray = divmod(at - prefixes, 8)
            if not astray:
                cell = column + 5 * place
                offset = int.from_bytes(pages[cell : cell + 5], "little")
                if offset + 37 > entries_end:
                    raise PackCorrupt("the index points beyond the entries")
                if pages[offset + 5 : offset + 37] == key or (
                    pages[offset] == 2 and pages[offset + 37 : offset + 69] == key
                ):
                    return offset
            at = search(prefix, at + 1, end)
        return -1

    return find


def offsets(pages: mmap, start: int, count: int) -> list[int]:
    """Where the entries begin, in the order of their keys."""
    column = start + (4 << fan_bits(count)) + 8 * count
    narrow = pages[column : column + 5 * count]
    wide = bytearray(8 * count)
    for byte in range(5):
        wide[byte::8] = narrow[byte::5]
    return list(struct.unpack(f"<{count}Q", wide))


def prefixed(pages: mmap, start: int, count: int, low: bytes, high: bytes) -> Iterator[int]:
    """Where the entries begin whose keys' first eight bytes lie within low … high."""
    prefixes = start + (4 << fan_bits(count))
    column = prefixes + 8 * count
    place = bisect_left(_Prefixes(pages, prefixes, count), low)
    while place < count and pages[prefixes + 8 * place : prefixes + 8 * place + 8] <= high:
        cell = column + 5 * place
        yield int.from_bytes(pages[cell : cell + 5], "little")
        place += 1


def index_faults(pages: mmap, start: int, entries: Mapping[bytes, int]) -> bool:
    """Whether the index stored at ``start`` is not the one of these entries."""
    built = build_index(entries)
    return pages[start : start + len(built)] != built


class _Prefixes:
    """The column of prefixes as a sequence, for bisect."""

    def __init__(self, pages: mmap, start: int, count: int) -> None:
        self._pages, self._start, self._count = pages, start, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, place: int) -> bytes:
        at = self._start + 8 * place
        return self._pages[at : at + 8]
