"""When logs are folded into checkpoints: not with the write that makes one due, but when the process lets go.

A checkpoint is for readers who start from nothing. Writing one costs a writer as much as a thousand entries do, so what
a process wrote is kept until it closes its repository, or until that is much. Whoever writes next in the same directory
makes up for a process that died; over a network that would be a request for each segment.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from cas.errors import CasError
from cas.storage.local import LocalStore

if TYPE_CHECKING:
    from cas.refs.log import RefLog
    from cas.refs.segments import Segment

__all__ = ["Folding", "folds_at"]

# A log is folded into a checkpoint at each power of two from here on: all of it is copied twice at most.
_FOLD = 1024
# So many entries of its own a process keeps for the next checkpoint, and needs not read.
_KEPT = 32_768


class _Tail:
    """Segments of a log that follow each other, and how many entries they have."""

    __slots__ = ("log", "segments", "size")

    def __init__(self, log: RefLog) -> None:
        self.log = log
        self.segments: list[Segment] = []
        self.size = 0


class Folding:
    """The last segments that this process wrote to each log, and the checkpoints that they make due."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tails: dict[tuple[str, str], _Tail] = {}

    def wrote(self, log: RefLog, segment: Segment) -> None:
        """Note a segment just written."""
        with self._lock:
            tail = self._tails.get(log.scope)
            if tail is None or tail.segments[-1].number + 1 != segment.number:
                tail = self._tails[log.scope] = _Tail(log)
            tail.segments.append(segment)
            tail.size += len(segment.entries)
            if tail.size >= _KEPT:
                self._fold(log, tail.segments)
                del self._tails[log.scope]

    def settle(self) -> None:
        """Write the checkpoints that are due; for when nothing more is written."""
        with self._lock:
            for tail in self._tails.values():
                self._fold(tail.log, tail.segments)
            self._tails.clear()

    def _fold(self, log: RefLog, tail: list[Segment]) -> None:
        due = 1 << (tail[-1].number.bit_length() - 1)
        if due < _FOLD or (tail[0].number > due and not isinstance(log.store, LocalStore)):
            return
        from cas.refs import checkpoints

        # It is derived: whoever wrote the entries has succeeded without it.
        with suppress(CasError, OSError):
            if not checkpoints.exists(log.store, log, due):
                checkpoints.write(log.store, log, due, tail)


def folds_at(number: int) -> bool:
    """Whether a log is folded into a checkpoint at this segment."""
    return number >= _FOLD and number & (number - 1) == 0
