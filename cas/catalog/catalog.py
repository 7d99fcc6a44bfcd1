"""The catalog: what the ref logs and records of a repository say, in SQLite, derived and always rebuildable.

It catches up with the logs before it answers; when nothing is new that costs one existence probe.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from cas.catalog.database import CatalogDamaged, Database
from cas.catalog.folding import Folding
from cas.catalog.recent import Recent
from cas.catalog.refs import RefQueries
from cas.errors import RefRollback, UsageError
from cas.refs.entries import SpanEntry
from cas.refs.names import collision_key

if TYPE_CHECKING:
    from cas.catalog.spans import SpanQueries
    from cas.objects.ids import Kind, ObjectId
    from cas.refs.log import RefLog
    from cas.refs.segments import Segment

# What takes in segments and records is imported where it is used: a cold `cas resolve` mostly finds nothing new.

__all__ = ["Catalog", "Position"]

Position = tuple[int, str, int]  # (segment number, its digest, greatest stamp so far)
# So many segments of its own may wait to be taken in, and so long (µs): not longer, for the sake of other processes,
# which read meanwhile what waits here; not shorter, since one write transaction for many costs a tenth of many.
_MANY = 32_768
_LATE = 2_000_000
# From so many on they are taken in when the process ends.
_MUCH = 32
# So much that is at hand is let go when nothing waits.
_KEPT = 50_000
# A segment of more entries is not worth keeping at hand.
_BATCH = 100
# From this many segments on, a log is worth asking for a checkpoint.
_LONG = 512
_START: Position = (0, "0" * 64, 0)


class Catalog:
    """``refs`` and ``spans`` answer questions; :meth:`catch_up` first where fresh answers matter."""

    def __init__(
        self,
        path: str | None,
        owner: str,
        read: Callable[[ObjectId, Kind], bytes],
        read_many: Callable[[Sequence[bytes]], list[bytes]] | None = None,
    ) -> None:
        self.database = Database(path, owner)
        self.refs = RefQueries(lambda: self.database.connection)
        self._read = read
        self._read_many = read_many or self._one_by_one
        self._spans: SpanQueries | None = None
        self._written: dict[tuple[str, str], list[Segment]] = {}
        self._named: dict[tuple[str, str], tuple[int, set[str]]] = {}  # of how many that wait, and their names
        self._writing: dict[tuple[str, str], RefLog] = {}
        self._heads: dict[tuple[str, str], Position] = {}
        self._recent: dict[tuple[str, str], Recent] = {}
        self.folding = Folding()
        self._checked: set[tuple[str, str]] = set()
        self._asked: dict[tuple[str, str], RefLog] = {}

    @property
    def lock(self) -> object:
        """Held while a question of several steps must see one state."""
        return self.database.lock

    def position(self, log: RefLog) -> Position:
        """How far a log has been taken in."""
        row = self.database.connection.execute(
            "SELECT number, digest, stamp FROM log WHERE project = ? AND domain = ?", (log.project, log.domain)
        ).fetchone()
        return row if row else _START

    def wrote(self, log: RefLog, segment: Segment) -> None:
        """Take a segment that this process has just appended: it need not be read and parsed again."""
        with self.database.lock:
            key = log.scope
            self._written.setdefault(key, []).append(segment)
            self._writing[key] = log
            head = self._heads.get(key)
            if head is not None and head[:2] == (segment.number - 1, segment.previous):
                stamp = segment.entries[-1].stamp if segment.entries else 0  # they are in order
                self._heads[key] = (segment.number, segment.digest, stamp if stamp > head[2] else head[2])
            else:
                self._heads.pop(key, None)
            recent = self._recent.get(key)
            if recent is not None and (len(segment.entries) > _BATCH or not recent.add(segment.entries)):
                del self._recent[key]

    def recent(self, log: RefLog) -> Recent:
        """Names and tips of a log as of :meth:`head`, for writers of one name."""
        key = log.scope
        found = self._recent.get(key)
        if found is not None and key in self._heads:
            return found
        with self.database.lock:
            found = self._recent.get(key)
            if found is None or key not in self._heads:
                # What waits must be in the tables: only what is at hand knows of it.
                self.catch_up(log, probe=False)
                found = self._recent[key] = Recent(self.refs, self.database.lock, *key)
            return found

    def head(self, log: RefLog) -> Position:
        """Where a log ends, as far as this process knows; what it wrote itself need not be taken in yet."""
        # Without the lock: what these say was so when they were asked, and whoever appends is told if it no longer is.
        key = log.scope
        head = self._heads.get(key)
        waiting = self._written.get(key)
        if head is None or (waiting and (len(waiting) > _MANY or waiting[-1].time - waiting[0].time > _LATE)):
            return self.catch_up(log)
        return head

    def ready_for(self, log: RefLog, names: Iterable[str]) -> Position:
        """Where a log ends as far as this process knows, after which the tables are right about some names of it.

        As :meth:`catch_up` without ``probe``, but what this process wrote of other names waits, to be taken in many
        segments at a time. For writers of a few names.
        """
        with self.database.lock:
            head = self._heads.get(log.scope)
            waiting = self._waiting(log.scope)
            if head is None or (waiting and not waiting.isdisjoint(map(collision_key, names))):
                return self.catch_up(log, probe=False)
            return self.head(log)

    def _waiting(self, key: tuple[str, str]) -> set[str]:
        """The names, by what twins share, of what this process wrote and has not taken in."""
        segments = self._written.get(key, [])
        count, named = self._named.get(key, (0, set()))
        for segment in segments[count:]:
            named.update([collision_key(entry.name) for entry in segment.entries if not isinstance(entry, SpanEntry)])
        self._named[key] = len(segments), named
        return named

    def catch_up(self, log: RefLog, *, probe: bool = True) -> Position:
        """Take in what is new in a log. Raises RefRollback where the log and its own chain disagree.

        Without ``probe`` only what this process itself wrote since it last looked: for writers, who are told when they
        were late.
        """
        with self.database.lock:
            key = log.scope
            self._asked[key] = log
            if not probe and key in self._heads and not self.database.lost:
                return self._renewing(lambda: self._take_own(log, key), key)
            return self._renewing(lambda: self._look(log, key), key)

    def _renewing(self, taking_in: Callable[[], Position], key: tuple[str, str]) -> Position:
        """Take something in. Where the file cannot be written (a full disk, a file of somebody else's) that is done in
        memory, and where it is damaged in a new one.
        """
        if not self.database.lost:
            try:
                return taking_in()
            except CatalogDamaged:
                pass
            except sqlite3.OperationalError:
                self._renew(in_memory=True)
                return self._heads[key]
        try:
            self._renew(in_memory=False)
        except (CatalogDamaged, sqlite3.OperationalError):
            self._renew(in_memory=True)
        return self._heads[key]

    def _renew(self, *, in_memory: bool) -> None:
        """Begin anew, with every log that was asked about."""
        self.database.renew(in_memory=in_memory)
        self._forget()
        self._checked.clear()
        for key, log in self._asked.items():
            self._look(log, key)

    def _look(self, log: RefLog, key: tuple[str, str]) -> Position:
        before = self._heads.get(key, _START)
        own = self._taken(key)
        position = self.position(log)
        if own and own[0].number == position[0] + 1 and own[0].previous == position[1]:
            self._apply(log, own)
            self._let_go(key)
            position = self.position(log)
        if key not in self._checked:
            # Once per process: is this the log that the catalog was made from, or one restored from elsewhere?
            self._checked.add(key)
            if position[0] and not log.has(position[0]):
                self.database.rebuild()
                position = _START
        if log.has(position[0] + 1) or (position == _START and log.folded):
            self._read_on(log, position)
            position = self.position(log)
        if position[:2] != before[:2]:
            self._recent.pop(key, None)
        self._heads[key] = position
        return position

    def _take_own(self, log: RefLog, key: tuple[str, str]) -> Position:
        own = self._taken(key)
        if own:
            self._apply(log, own)
            self._let_go(key)
        return self._heads[key]

    def _let_go(self, key: tuple[str, str]) -> None:
        """Forget what is at hand where it has become much; nothing may wait, for only it knows what does."""
        if (recent := self._recent.get(key)) is not None and recent.size > _KEPT:
            del self._recent[key]

    def _taken(self, key: tuple[str, str]) -> list[Segment]:
        self._named.pop(key, None)
        return self._written.pop(key, [])

    def _read_on(self, log: RefLog, position: Position) -> None:
        try:
            self._apply_from(log, position)
        except RefRollback:
            if position == _START:
                raise
            # The chain does not continue what was taken in: the log was replaced under this catalog.
            self.database.rebuild()
            self._apply_from(log, _START)

    def _apply_from(self, log: RefLog, position: Position) -> None:
        if position == _START and (log.folded or log.has(_LONG)):
            from cas.refs import checkpoints
            from cas.refs.segments import Segment

            folded = checkpoints.read(log.store, log)
            if folded is not None:
                whole = Segment(folded.number, 0, "", "", tuple(folded.entries), folded.digest)
                self._apply(log, [whole])
                position = self.position(log)
        batch: list[Segment] = []
        size = 0
        for segment in log.after(position[0], position[1]):
            batch.append(segment)
            size += len(segment.entries)
            if size > 50_000:
                self._apply(log, batch)
                batch, size = [], 0
        if batch:
            self._apply(log, batch)

    def _apply(self, log: RefLog, segments: list[Segment]) -> None:
        from cas.catalog.ingest import Ingest

        with self.database.writing() as connection:
            found = "SELECT id, number, stamp FROM log WHERE project = ? AND domain = ?"
            row = connection.execute(found, (log.project, log.domain)).fetchone()
            if row is None:
                connection.execute(
                    "INSERT INTO log (project, domain, number, digest, stamp) VALUES (?, ?, 0, ?, 0)",
                    (log.project, log.domain, _START[1]),
                )
                row = connection.execute(found, (log.project, log.domain)).fetchone()
            log_id, number, stamp = row
            # Another process may have taken some of these in meanwhile.
            fresh = [segment for segment in segments if segment.number > number]
            if not fresh:
                return
            entries = [entry for segment in fresh for entry in segment.entries]
            Ingest(connection, log_id).add(entries)
            stamp = max(stamp, max((entry.stamp for entry in entries), default=0))
            last = fresh[-1]
            connection.execute(
                "UPDATE log SET number = ?, digest = ?, stamp = ? WHERE id = ?",
                (last.number, last.digest, stamp, log_id),
            )

    def spans(self) -> SpanQueries:
        """The span questions, after the records of every span that the logs name were taken in."""
        with self.database.lock:
            if self._spans is None:
                from cas.catalog.spans import SpanQueries

                self._spans = SpanQueries(lambda: self.database.connection, self._read_many)
            try:
                self._read_spans(self._spans)
            except (CatalogDamaged, sqlite3.OperationalError) as error:
                self._renew(in_memory=not isinstance(error, CatalogDamaged))
                self._read_spans(self._spans)
            return self._spans

    def _read_spans(self, spans: SpanQueries) -> None:
        if spans.has_pending():
            with self.database.writing(many=True):
                spans.intake().pending()

    def _one_by_one(self, idents: Sequence[bytes]) -> list[bytes]:
        from cas.objects.ids import Kind, ObjectId

        return [self._read(ObjectId(ident), Kind.SPAN) for ident in idents]

    def reopen(self) -> None:
        """Start afresh in a process just forked."""
        self.database.reopen()
        self._forget()
        self.folding = Folding()

    def _forget(self) -> None:
        self._written.clear()
        self._named.clear()
        self._heads.clear()
        self._recent.clear()

    def close(self) -> None:
        """Take in what this process wrote last, where that is much, so that the next one need not; write the
        checkpoints that are due; close the file."""
        self.folding.settle()
        with self.database.lock, suppress(UsageError, sqlite3.Error):
            for log in self._writing.values():
                own = self._taken((log.project, log.domain))
                if len(own) >= _MUCH and self.position(log)[:2] == (own[0].number - 1, own[0].previous):
                    self._apply(log, own)
        self.database.close()
