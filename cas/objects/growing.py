"""Where entries lie in packs that somebody still writes: told by their headers, which are gone through once, and from
there on as a pack grows.

Without this each object asked for would be searched from the start of every open pack.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from cas.errors import CorruptObject
from cas.objects.ids import Kind
from cas.objects.packs import ENTRY, ENTRY_SIZE, MAGIC, Pages, verified
from cas.objects.salvage import open_packs, opened

__all__ = ["GrowingPacks"]


class GrowingPacks:
    """The open packs of a directory, anybody's."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._headers: dict[Path, _Headers] = {}

    def find(self, key: bytes) -> tuple[Kind, bytes] | None:
        """The kind and verified payload of what some open pack holds under a key."""
        return self.find_many((key,)).get(key)

    def find_many(self, keys: Iterable[bytes]) -> dict[bytes, tuple[Kind, bytes]]:
        """The kinds and verified payloads of those of the keys that open packs hold."""
        paths = open_packs(self._directory)
        for gone in self._headers.keys() - set(paths):
            self._headers.pop(gone, None)
        found: dict[bytes, tuple[Kind, bytes]] = {}
        missing = dict.fromkeys(keys)
        for path in paths:
            with opened(path) as content:
                entries = self._headers.setdefault(path, _Headers()).entries(content, missing)
            found.update(entries)
            missing = dict.fromkeys(key for key in missing if key not in entries)
        return found


class _Headers:
    """The entries of one open pack: key → where it begins and ends; of equal keys the first."""

    def __init__(self) -> None:
        self._places: dict[bytes, tuple[int, int]] = {}
        self._end = len(MAGIC)

    def entries(self, content: Pages, keys: Iterable[bytes]) -> dict[bytes, tuple[Kind, bytes]]:
        """The kinds and verified payloads of those of the keys that are there."""
        if len(content) < self._end:
            self._places, self._end = {}, len(MAGIC)  # its writer cut it short
        self._go_on(content)
        places = ((key, self._places[key]) for key in keys if key in self._places)
        found = ((key, _entry(content, key, *place)) for key, place in places)
        return {key: entry for key, entry in found if entry is not None}

    def _go_on(self, content: Pages) -> None:
        start, size = self._end, len(content)
        while start + ENTRY_SIZE <= size:
            number, length, ident = ENTRY.unpack(content[start : start + ENTRY_SIZE])
            end = start + ENTRY_SIZE + length
            if end > size:
                break
            key = bytes(content[start + ENTRY_SIZE : start + ENTRY_SIZE + 32]) if number == Kind.MAP else ident
            self._places.setdefault(key, (start, end))
            start = end
        self._end = start


def _entry(content: Pages, key: bytes, start: int, end: int) -> tuple[Kind, bytes] | None:
    number, _, ident = ENTRY.unpack(content[start : start + ENTRY_SIZE])
    with suppress(CorruptObject):
        kind, held, payload = verified(number, ident, content[start + ENTRY_SIZE : end])
        if key == (payload[:32] if kind is Kind.MAP else held):
            return kind, payload
    return None
