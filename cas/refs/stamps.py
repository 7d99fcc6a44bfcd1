"""Stamps and write ids: what orders entries and tells them apart (docs/format.md, Ref log segments).

The stamp is a hybrid logical clock (Kulkarni et al., "Logical Physical Clocks", 2014) folded into one
integer of microseconds: the wall clock where that is ahead, else one more than the last stamp read.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from cas.errors import RefConflict
from cas.refs.entries import Entry, order

__all__ = ["DAY", "Stamps", "WriteIds", "check_not_ahead"]

DAY = 86_400_000_000


class Stamps:
    """Strictly increasing stamps, greater than ``after`` and not behind ``now`` (microseconds)."""

    def __init__(self, after: int, now: int) -> None:
        self.last = after if after >= now else now - 1

    def next(self) -> int:
        """The next stamp."""
        self.last += 1
        return self.last

    def take(self, count: int) -> range:
        """The next ``count`` stamps."""
        first = self.last + 1
        self.last += count
        return range(first, self.last + 1)


class WriteIds:
    """Write ids of one transaction: 24 random hex digits, then 8 that count."""

    def __init__(self) -> None:
        self._prefix = os.urandom(12).hex()
        self._count = 0

    def next(self) -> str:
        """The next write id."""
        count = self._count
        self._count = count + 1
        return f"{self._prefix}{count:08x}"

    def take(self, count: int) -> list[str]:
        """The next ``count`` write ids."""
        first, prefix = self._count, self._prefix
        self._count += count
        return [f"{prefix}{number:08x}" for number in range(first, first + count)]


def check_not_ahead(entries: Iterable[Entry], now: int) -> None:
    """Raises RefConflict when an entry from elsewhere is stamped more than a day ahead of ``now`` (microseconds)."""
    latest = max(entries, key=order, default=None)
    if latest is not None and latest.stamp > now + DAY:
        from cas.clock import to_iso

        raise RefConflict(
            f"an entry is stamped {to_iso(latest.stamp)}, more than a day ahead of this clock ({to_iso(now)})",
            candidates=(latest.write,),
            hint="set the clock of the machine that is wrong, then try again",
        )
