"""The ref log of one project and domain: segments 1, 2, 3 … in a store that can create a file only once.

Whoever creates ``<n+1>.toml`` first has published; everybody else reads it and goes on from there. There is no
lock, and nothing that was acknowledged is lost (docs/format.md, Ref log segments).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from cas.errors import CorruptObject, RefRollback, RefSyntax
from cas.lazy import late
from cas.refs.names import check_domain, check_project

if TYPE_CHECKING:
    from cas.refs import segments
    from cas.refs.entries import Entry
    from cas.refs.segments import Segment
    from cas.refs.store import LogStore
else:
    # Imported when one is read or written: most processes find nothing new, and ask the catalog.
    (segments,) = late("cas.refs", "segments")

__all__ = ["NOTHING", "RefLog", "list_logs"]

NOTHING = "0" * 64
"""The digest before segment 1."""

_FILE = r"([^/]+)/([^/]+)/([0-9]{20})\.(toml|arrow)"


class RefLog:
    """One log in a store. ``prefix`` is where logs lie: ``refs``, or ``refs/remotes/<remote>`` for copies."""

    folded = False
    """Whether the store may hold the log from a checkpoint on, and not what that folds."""

    def __init__(self, store: LogStore, project: str, domain: str, *, prefix: str = "refs") -> None:
        self.store = store
        self.project = check_project(project)
        self.domain = check_domain(domain)
        self.prefix = prefix
        self.scope = (project, domain)
        self.directory = f"{prefix}/{project}/{domain}/"

    def path(self, number: int) -> str:
        """The file of a segment, as in ``refs/default/main/00000000000000000017.toml``."""
        return f"{self.directory}{number:020d}.toml"

    def has(self, number: int) -> bool:
        """Whether a segment is there."""
        return self.store.exists(self.path(number))

    def read(self, number: int) -> Segment:
        """A segment. Raises FileNotFoundError where it is missing, RefSyntax and its kin where it is not valid."""
        return self._parse(number, self.store.read(self.path(number)))

    def after(self, number: int, previous: str = NOTHING) -> Iterator[Segment]:
        """The segments after one, up to the last there is; ``previous`` is that one's digest.

        Raises RefRollback when a segment does not name the one before it.
        """
        while True:
            number += 1
            try:
                content = self.store.read(self.path(number))
            except FileNotFoundError:
                return
            segment = self._parse(number, content)
            if segment.previous != previous:
                raise RefRollback(
                    f"segment {number} of the ref log {self.project}/{self.domain} follows another history "
                    f"({segment.previous[:12]}) than the one read ({previous[:12]})",
                    hint="check it: cas fsck",
                )
            previous = segment.digest
            yield segment

    def append(
        self,
        number: int,
        previous: str,
        entries: Iterable[Entry],
        *,
        author: str,
        time: int,
        checked: bool = False,
        ready: Callable[[], object] | None = None,
    ) -> Segment | None:
        """Create segment ``number`` after the one whose digest is ``previous``; None if another writer was first.

        ``time`` is in microseconds. Entries made of ``checked`` parts are not checked again. ``ready`` is called right
        before: it returns when all that the entries name is durable. Raises RefSyntax for entries that may not stand in
        a log.
        """
        segment, content = segments.make(number, time, author, previous, entries, checked=checked)
        path = self.path(number)
        if ready is not None:
            ready()
        # "Exists" may be the answer to our own request sent twice: write ids make our bytes unique, so compare.
        if not self.store.create(path, content) and self.store.read(path) != content:
            return None
        return segment

    def newest(self) -> int:
        """The number of the last segment, 0 when there is none; found by probing, since not every store lists."""
        high = 1
        while self.has(high):
            high *= 2
        low = high // 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.has(middle) else (low, middle)
        return low

    def _parse(self, number: int, content: bytes) -> Segment:
        where = f"{self.path(number)}: "
        try:
            segment = segments.parse(content)
        except RefSyntax as fault:
            fault.args = (where + fault.message,)
            fault.message = fault.args[0]
            fault.hint = fault.hint or "check the repository: cas fsck"
            fault.exit_code = CorruptObject.exit_code  # nobody typed it: stored bytes are damaged
            raise
        if segment.number != number:
            raise RefRollback(f"{where}it says that it is segment {segment.number}", hint="check it: cas fsck")
        return segment


def list_logs(store: LogStore, *, prefix: str = "refs") -> list[tuple[str, str]]:
    """The (project, domain) of every log under the prefix, sorted; files that are no logs are passed over."""
    found = set()
    pattern = re.compile(_FILE)
    for info in store.list(f"{prefix}/"):
        file = pattern.fullmatch(info.name, len(prefix) + 1)
        if file is None or file[1] == "remotes" or file[4] != "toml":
            continue
        try:
            found.add((check_project(file[1]), check_domain(file[2])))
        except RefSyntax:
            continue
    return sorted(found)
