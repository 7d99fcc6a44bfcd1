"""Writing the next segment of a log through its catalog, again for as long as other writers are faster."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from cas.catalog.folding import folds_at
from cas.errors import CasError
from cas.refs.stamps import Stamps

if TYPE_CHECKING:
    from cas.catalog.catalog import Catalog
    from cas.refs.entries import Entry
    from cas.refs.log import RefLog
    from cas.refs.segments import Segment

__all__ = ["append", "folds_at"]


def append(
    catalog: Catalog,
    log: RefLog,
    plan: Callable[[Stamps], list[Entry]],
    *,
    author: Callable[[], str],
    now: Callable[[], int],
    asks: bool = True,
    checked: bool = False,
    ready: Callable[[], object] | None = None,
) -> Segment | None:
    """Publish what ``plan`` gives as the log's next segment, and return that; nothing where it gives nothing.

    ``plan`` is called with what this process knows of the log, and again after catching up: each time another writer
    took the next number first, and before an answer of "nothing to do" or an error is believed. One that ``asks``
    the catalog nothing needs no catching up at all. ``checked`` and ``ready`` are as for
    :meth:`RefLog.append`.
    """
    fresh = False
    while True:
        if asks or fresh:
            number, digest, stamp = catalog.catch_up(log, probe=fresh)
        else:
            number, digest, stamp = catalog.head(log)
        time = now()
        try:
            entries = plan(Stamps(after=stamp, now=time))
        except CasError:
            if fresh:
                raise
            fresh = True
            continue
        if not entries and fresh:
            return None
        segment = None
        if entries:
            segment = log.append(number + 1, digest, entries, author=author(), time=time, checked=checked, ready=ready)
        if segment is None:
            fresh = True
            continue
        catalog.wrote(log, segment)
        catalog.folding.wrote(log, segment)
        return segment
