"""The index in a pack's footer: which key begins where (docs/format.md, Packs). Pure functions.

Keys are hashes, so a fan-out by their first bits gives buckets of at most 16 entries on average; a
bucket is searched for the first eight bytes of a key by one search over its bytes.
"""

from __future__ import annotations

import struct
import sys
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from mmap import mmap

from blake3 import blake3

__all__ = ["MAX_BITS", "Finder", "build_index", "columns_at", "fan_bits", "index_size", "offsets", "prefixed"]

MAX_BITS = 24
_PER_BUCKET = 16
# From so many entries on numpy pays where it is loaded, and where it is not.
_SOME = 500
_MANY = 200_000
_PAIR = struct.Struct("<II")
_CELL = struct.Struct("<IB")
_entry = struct.Struct("<BI32s").unpack_from


def fan_bits(count: int) -> int:
    """The least number of bits that gives at most 16 entries a bucket on average, at most 24."""
    return min(MAX_BITS, max(0, (max(count - 1, 0) // _PER_BUCKET).bit_length()))


def index_size(count: int) -> int:
    """The bytes of an index of so many entries."""
    return (4 << fan_bits(count)) + 13 * count


def build_index(entries: Mapping[bytes, int]) -> bytes:
    """The index of entries, given where each key's entry begins."""
    count = len(entries)
    in_columns = count >= _MANY or (count >= _SOME and "numpy" in sys.modules)
    return (_build_in_columns if in_columns else _build_in_rows)(entries, count, fan_bits(count))


def _build_in_rows(entries: Mapping[bytes, int], count: int, bits: int) -> bytes:
    rows = _sorted_rows(entries, count)
    bounds = [(bucket << (32 - bits)).to_bytes(4, "big").decode("latin-1") for bucket in range(1, 1 << bits)]
    fan = [bisect_left(rows, bound) for bound in bounds]
    fan.append(count)
    table = "".join(rows).encode("latin-1")
    prefixes, narrow = bytearray(8 * count), bytearray(5 * count)
    for byte in range(8):
        prefixes[byte::8] = table[byte::13]
    for byte in range(5):
        narrow[byte::5] = table[12 - byte :: 13]
    return b"".join((struct.pack(f"<{len(fan)}I", *fan), prefixes, narrow))


def _build_in_columns(entries: Mapping[bytes, int], count: int, bits: int) -> bytes:
    """The same with numpy: a tenth of the time, where it is loaded."""
    import numpy as np

    keys = np.frombuffer(b"".join(entries), ">u8")[::4].astype(np.uint64)
    places = np.fromiter(entries.values(), np.dtype("<u8"), count)
    order = np.lexsort((places, keys))
    keys, places = keys[order], places[order]
    bounds = np.arange(1, 1 << bits, dtype=np.uint64) << np.uint64(64 - bits) if bits else np.empty(0, np.uint64)
    fan = np.append(np.searchsorted(keys, bounds), count).astype("<u4")
    narrow = places.view(np.uint8).reshape(count, 8)[:, :5]
    return b"".join((fan.tobytes(), keys.astype(">u8").tobytes(), narrow.tobytes()))


def _sorted_rows(entries: Mapping[bytes, int], count: int) -> list[str]:
    """Eight bytes of key and five of offset per entry, sorted; as Latin-1 text, which sorts twice as fast as bytes."""
    keys = b"".join(entries)
    wide = struct.pack(f">{count}Q", *entries.values())
    table = bytearray(13 * count)
    for byte in range(8):
        table[byte::13] = keys[byte::32]
    for byte in range(5):
        table[8 + byte :: 13] = wide[3 + byte :: 8]
    text = table.decode("latin-1")
    return sorted([text[at : at + 13] for at in range(0, 13 * count, 13)])


class Finder:
    """Looks keys up in the index that begins at ``start``. An index that leads astray finds nothing: whoever misses
    something asks whether the footer is sound."""

    __slots__ = ("find", "take")

    find: Callable[[bytes], int]
    """From a key to where its entry begins, or -1."""
    take: Callable[[bytes], bytes | None]
    """From a key to its verified payload where that is a blob stored as it is, else None: the short way."""

    def __init__(self, pages: mmap, start: int, count: int, entries_end: int) -> None:
        bits = fan_bits(count)
        shift = 32 - bits
        prefixes = start + (4 << bits)
        column = prefixes + 8 * count
        before = start - 4
        search, number, pair, cells, entry = pages.find, int.from_bytes, _PAIR.unpack_from, _CELL.unpack_from, _entry

        def find(key: bytes) -> int:
            bucket = number(key[:4], "big") >> shift
            low, high = pair(pages, before + 4 * bucket)
            if high > count:
                return -1
            prefix = key[:8]
            end = prefixes + 8 * high
            at = search(prefix, prefixes + 8 * low if bucket else prefixes, end)
            while at >= 0:
                place = at - prefixes
                if not place & 7:
                    rest, top = cells(pages, column + 5 * (place >> 3))
                    offset: int = rest | top << 32
                    if offset + 37 <= entries_end and (
                        pages[offset + 5 : offset + 37] == key
                        or (pages[offset] == 2 and pages[offset + 37 : offset + 69] == key)
                    ):
                        return offset
                at = search(prefix, at + 1, end)
            return -1

        def take(key: bytes) -> bytes | None:
            bucket = number(key[:4], "big") >> shift
            low, high = pair(pages, before + 4 * bucket)
            if high > count:
                return None
            at = search(key[:8], prefixes + 8 * low if bucket else prefixes, prefixes + 8 * high) - prefixes
            if at < 0 or at & 7:
                return None
            rest, top = cells(pages, column + 5 * (at >> 3))
            offset = (rest | top << 32) + 37
            if offset > entries_end:
                return None
            kind, length, ident = entry(pages, offset - 37)
            if kind != 1 or ident != key or offset + length > entries_end:
                return None
            payload = pages[offset : offset + length]
            return payload if blake3(payload).digest() == key else None

        self.find = find
        self.take = take


def columns_at(start: int, count: int) -> tuple[int, int]:
    """Where the prefixes and the offsets of an index begin."""
    prefixes = start + (4 << fan_bits(count))
    return prefixes, prefixes + 8 * count


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


class _Prefixes:
    """The column of prefixes as a sequence, for bisect."""

    def __init__(self, pages: mmap, start: int, count: int) -> None:
        self._pages, self._start, self._count = pages, start, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, place: int) -> bytes:
        at = self._start + 8 * place
        return self._pages[at : at + 8]
