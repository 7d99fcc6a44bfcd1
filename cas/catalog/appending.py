"""Writing the next segment of a log through its catalog, again for as long as other writers are faster."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from cas.refs import checkpoints
from cas.refs.stamps import Stamps

if TYPE_CHECKING:
    from cas.catalog.catalog import Catalog
    from cas.refs.entries import Entry
    from cas.refs.log import RefLog

__all__ = ["append", "folds_at"]

# A log is folded into a checkpoint at each power of two from here on: all of it is copied twice at most.
_FOLD = 1024


def append(
    catalog: Catalog, log: RefLog, plan: Callable[[Stamps], list[Entry]], *, author: str, now: Callable[[], int]
) -> None:
    """Publish what ``plan`` gives as the log's next segment; nothing where it gives nothing.

    ``plan`` is called again, after catching up, each time another writer took the next number first.
    """
    while True:
        number, digest, stamp = catalog.catch_up(log)
        time = now()
        entries = plan(Stamps(after=stamp, now=time))
        if not entries:
            return
        segment = log.append(number + 1, digest, entries, author=author, time=time)
        if segment is not None:
            catalog.wrote(log, segment)
            if folds_at(segment.number):
                checkpoints.write(log.store, log, segment.number)
            return


def folds_at(number: int) -> bool:
    """Whether a log is folded into a checkpoint at this segment."""
    return number >= _FOLD and number & (number - 1) == 0
