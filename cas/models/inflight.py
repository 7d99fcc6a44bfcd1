"""Spans that the ref log does not name yet: the open ones of this process, and those that closed inside them.

They are kept as the catalog keeps the others, in SQLite, but in memory; so every question about spans is one query,
asked of either. When no span is open here any more, the log names them all and this is dropped.
"""

from __future__ import annotations

import json
import sqlite3
import weakref
from typing import TYPE_CHECKING

from cas import clock
from cas.catalog import rows
from cas.catalog.intake import SpanIntake
from cas.catalog.rows import SpanRow
from cas.catalog.schema import SCHEMA
from cas.catalog.spans import SpanQueries
from cas.repository.live import LiveSpan, live_spans

if TYPE_CHECKING:
    from cas.repository.repository import Repository
    from cas.repository.spanning import ActiveSpan

__all__ = ["InFlight", "elsewhere", "in_flight"]

_OF: weakref.WeakKeyDictionary[Repository, InFlight] = weakref.WeakKeyDictionary()


class InFlight:
    """The spans in flight of one repository; :meth:`queries` brings them up to date first."""

    def __init__(self, repository: Repository) -> None:
        self._repository = weakref.ref(repository)
        self._open: dict[bytes, _Seen] = {}
        self._again = 0
        self.database: sqlite3.Connection | None = None

    def queries(self) -> SpanQueries | None:
        """Questions to the spans in flight, None where there are none. Hold the repository's lock."""
        repository = self._repository()
        assert repository is not None
        running = repository.session.open_spans
        if not running:
            self._forget()
            return None
        if self.database is None:
            self.database = _database()
        database = self.database
        queries = SpanQueries(lambda: database, repository.objects.read_many)
        database.execute("BEGIN")
        try:
            self._refresh(queries.intake(), running, repository.session.closed_again)
            database.execute("COMMIT")
        except BaseException:
            self._forget()  # half of it would be wrong: the next question starts afresh
            raise
        return queries

    def _forget(self) -> None:
        if self.database is not None:
            self.database.close()
        self.database = None
        self._open.clear()
        self._again = 0

    def _refresh(self, intake: SpanIntake, running: dict[bytes, ActiveSpan], again: list[bytes]) -> None:
        """Take in what opened, happened and closed since the last time."""
        database = self.database
        assert database is not None
        fresh = [(ident, span) for ident, span in list(running.items()) if ident not in self._open]
        intake.openings([ident for ident, _ in fresh])
        for ident, span in fresh:
            self._open[ident] = seen = _Seen(span)
            if seen.before is not None:  # entered again: what it made before
                intake.closings([seen.before])
                entered = rows.stored(database, [ident]).values()
                rows.replace(database, [row._replace(status="open", closed=None) for row in entered])
                seen.first = database.execute("SELECT COUNT(*) FROM output WHERE span = ?", (ident,)).fetchone()[0]
        for ident, seen in list(self._open.items()):
            self._catch_up(intake, ident, seen, is_open=ident in running)
        intake.closings(again[self._again :][::-1])
        self._again = len(again)

    def _catch_up(self, intake: SpanIntake, ident: bytes, seen: _Seen, *, is_open: bool) -> None:
        state = seen.span.state
        assert self.database is not None
        if not is_open:
            del self._open[ident]
            if state.previous is not None and state.previous != seen.before:
                # The closing record tells all of its outputs: those noted while it was open make room.
                self.database.execute("DELETE FROM output WHERE span = ? AND pos >= ?", (ident, seen.first))
                intake.closings([state.previous])
            return
        if len(state.children) > seen.children:
            intake.closings(list(reversed(state.children[seen.children :])))
            seen.children = len(state.children)
        made = state.outputs_after(seen.outputs)
        if made:
            at = seen.first + seen.outputs
            self.database.executemany(
                "INSERT INTO output VALUES (?, ?, ?, ?, ?)",
                [(ident, at + index, one.artifact, one.label, one.ref) for index, one in enumerate(made)],
            )
            seen.outputs += len(made)


def elsewhere(repository: Repository) -> sqlite3.Connection | None:
    """The spans that other processes have open, and those that closed inside them, as the catalog would keep them;
    None where there are none. Made anew for each question."""
    live = {ident: span for ident, span in live_spans(repository).items() if not span.running}
    if not live:
        return None
    database = _database()
    rows.insert(database, [_row(ident, span) for ident, span in live.items()])
    for ident, span in live.items():
        database.executemany(
            "INSERT INTO output VALUES (?, ?, ?, ?, ?)",
            [(ident, at, one.artifact, one.label, one.ref) for at, one in enumerate(span.outputs)],
        )
    return database


def _row(ident: bytes, span: LiveSpan) -> SpanRow:
    info = span.info
    return SpanRow(
        ident,
        span.opened.parent,
        info.label,
        info.kind,
        info.status,
        span.opened.time,
        None if info.closed_at is None else clock.from_datetime(info.closed_at),
        None if info.closing is None else bytes.fromhex(info.closing),
        json.dumps(info.metadata),
        json.dumps(info.code),
        json.dumps(info.fields),
        None if info.error is None else json.dumps(info.error),
    )


def _database() -> sqlite3.Connection:
    database = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    database.executescript(SCHEMA)
    return database


class _Seen:
    """How far an open span was taken in."""

    def __init__(self, span: ActiveSpan) -> None:
        self.span = span
        self.before = span.state.previous
        self.first = 0
        self.children = 0
        self.outputs = 0


def in_flight(repository: Repository) -> InFlight:
    """The spans in flight of a repository."""
    found = _OF.get(repository)
    if found is None:
        found = _OF[repository] = InFlight(repository)
    return found
