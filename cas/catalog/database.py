"""The SQLite file under the catalog: opened if it fits, built anew if not."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from typing import Any

from cas.catalog.schema import SCHEMA, SCHEMA_VERSION
from cas.errors import StorageError, UsageError
from cas.forking import Releasable, never_collect

__all__ = ["CatalogDamaged", "Database"]

_CACHE = 32 << 10  # KiB of pages at most: random look-ups among 100,000 refs touch more than the usual 2 MiB
# While rows come in by the million: ids are random, so each batch changes pages all over their indexes, and these go
# through the write-ahead log again and again where the cache does not hold them.
_BULK = 128 << 10


class CatalogDamaged(StorageError):
    """SQLite found the file damaged in the middle of a question. The file is gone by now, and made anew by the next."""


_execute, _execute_many = sqlite3.Cursor.execute, sqlite3.Cursor.executemany
_fetch_one, _fetch_all, _fetch_many = sqlite3.Cursor.fetchone, sqlite3.Cursor.fetchall, sqlite3.Cursor.fetchmany
_PAGE = 1000


class _Cursor(sqlite3.Cursor):
    """Tells its connection of damage. A page is read when a row of it is asked for, so that any of these may find it.
    One thread at a time is within SQLite: so a fork can keep all others out.

    A resolve asks half a dozen questions: hence no wrapper around wrappers, and rows that come a thousand at a time.
    """

    connection: _Connection

    def fetchone(self) -> Any:
        """As its base has it."""
        try:
            with self.connection.busy:
                return _fetch_one(self)
        except sqlite3.DatabaseError as error:
            self.connection.seen(error)
            raise

    def fetchall(self) -> list[Any]:
        """As its base has it."""
        try:
            with self.connection.busy:
                return _fetch_all(self)
        except sqlite3.DatabaseError as error:
            self.connection.seen(error)
            raise

    def fetchmany(self, size: int | None = _PAGE) -> list[Any]:
        """As its base has it."""
        try:
            with self.connection.busy:
                return _fetch_many(self, size)
        except sqlite3.DatabaseError as error:
            self.connection.seen(error)
            raise

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # not itself: its pages one after the other
        while rows := self.fetchmany():
            yield from rows


class _Connection(sqlite3.Connection):
    """A connection whose cursors tell ``on_damage`` when they find the file damaged."""

    on_damage: Callable[[sqlite3.DatabaseError], None] | None = None

    def __init__(self, busy: AbstractContextManager[Any], *arguments: Any, **options: Any) -> None:
        self.busy = busy
        super().__init__(*arguments, **options)

    # The base's own ways make a cursor of the base.
    def execute(self, sql: str, parameters: Any = ()) -> Any:
        """As its base has it."""
        try:
            with self.busy:
                return _execute(self.cursor(_Cursor), sql, parameters)
        except sqlite3.DatabaseError as error:
            self.seen(error)
            raise

    def executemany(self, sql: str, parameters: Any) -> Any:
        """As its base has it."""
        try:
            with self.busy:
                return _execute_many(self.cursor(_Cursor), sql, parameters)
        except sqlite3.DatabaseError as error:
            self.seen(error)
            raise

    def seen(self, error: sqlite3.DatabaseError) -> None:
        """Take note of an error of a cursor. Raises CatalogDamaged."""
        # SQLITE_CORRUPT and SQLITE_NOTADB have no class of their own; whatever else goes wrong has.
        if type(error) is sqlite3.DatabaseError and self.on_damage is not None:
            self.on_damage(error)


class Database:
    """One connection, shared by the threads of a process under a lock.

    ``owner`` is the repository's id: a file made for another repository, by another schema, or damaged is thrown away.
    Where the directory cannot be written the tables live in memory.
    """

    def __init__(self, path: str | None, owner: str) -> None:
        self.lock = threading.RLock()
        self._busy = threading.RLock()  # while a thread is within SQLite, by whichever connection
        self._path = path
        self._owner = owner
        self.lost = False
        self._connection: _Connection | None = self._open()

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection. Raises UsageError once it was closed."""
        if self._connection is None:
            raise UsageError("the repository is closed", hint="open it again: cas.open(…)")
        return self._connection

    def _open(self) -> _Connection:
        if self._path is not None:
            try:
                return self._fitting(self._path)
            except sqlite3.DatabaseError:
                # Damaged, or of another version: it is derived, so away with it.
                with suppress(OSError):
                    self._remove()
                with suppress(sqlite3.DatabaseError):
                    return self._fitting(self._path)
        return self._fitting(":memory:")

    def _fitting(self, path: str) -> _Connection:
        connection: _Connection = sqlite3.connect(  # type: ignore[call-overload]  # typeshed wants a class as factory
            path,
            timeout=60,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
            factory=partial(_Connection, self._busy),
        )
        try:
            row = None
            with suppress(sqlite3.OperationalError):
                row = connection.execute("SELECT value FROM meta WHERE key = 'fits'").fetchone()
            if row is None or row[0] != self._stamp():
                self._create(connection)
            # WAL with NORMAL never corrupts in a power cut; what it may lose is read again from the log.
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.execute(f"PRAGMA cache_size = -{_CACHE}")
        except BaseException:
            connection.close()
            raise
        connection.on_damage = partial(self._damaged, path)
        return connection

    def _damaged(self, path: str, error: sqlite3.DatabaseError) -> None:
        if path == self._path:
            with suppress(OSError):
                self._remove()
        self.lost = True
        raise CatalogDamaged(
            f"the catalog {path} is damaged: {error}", hint="run it again: the catalog is made anew from the ref log"
        ) from error

    def _stamp(self) -> str:
        return f"{SCHEMA_VERSION} {self._owner}"

    def _create(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        try:
            rows = connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            )
            for (table,) in rows.fetchall():
                connection.execute(f'DROP TABLE "{table}"')
            for statement in SCHEMA.split(";\n"):
                connection.execute(statement)
            connection.execute("INSERT INTO meta VALUES ('fits', ?)", (self._stamp(),))
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise

    def _remove(self) -> None:
        assert self._path is not None
        for ending in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                os.unlink(self._path + ending)  # noqa: PTH108 - pathlib is not loaded on the way to an answer

    def rebuild(self) -> None:
        """Empty every table."""
        with self.lock:
            self._create(self.connection)

    @contextmanager
    def writing(self, *, many: bool = False) -> Iterator[sqlite3.Connection]:
        """One write transaction, also against other processes; of very ``many`` rows, perhaps."""
        with self.lock:
            connection = self._begun()
            try:
                if many:
                    connection.execute(f"PRAGMA cache_size = -{_BULK}")
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            finally:
                if many:
                    connection.execute(f"PRAGMA cache_size = -{_CACHE}")

    def _begun(self) -> sqlite3.Connection:
        """A connection within a write transaction.

        One that another thread is reading from shows what was there when that began; it cannot write once another
        process has (SQLITE_BUSY_SNAPSHOT). The reader keeps it to the end then, and a new one takes its place.
        """
        connection = self.connection
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or self._path is None:
                raise
            connection = self._connection = self._open()
            connection.execute("BEGIN IMMEDIATE")
        return connection

    def renew(self, *, in_memory: bool) -> None:
        """Begin with empty tables: in the place of a damaged file, or in memory where the file cannot be written."""
        with self.lock:
            # What other threads still ask of the old connection they may ask to the end; the last one closes it.
            if in_memory:
                self._path = None
            self.lost = False
            self._connection = self._open()

    def reopen(self) -> None:
        """A connection of its own, for a process just forked. The parent's must not even be closed here
        (https://sqlite.org/howtocorrupt.html#_carrying_an_open_database_connection_across_a_fork_)."""
        if self._connection is not None:
            never_collect(self._connection)
        self.lock, self._busy = threading.RLock(), threading.RLock()
        self._connection = self._open()

    def hold(self, patience: float) -> list[Releasable]:
        """Keep the other threads out of SQLite while this one forks, and return what to release afterwards.

        Whoever is forked in the middle of a write finds the file locked for ever, by a thread that it has not; and in
        the middle of a call SQLite's own locks. Waits so many seconds at most for each lock.
        """
        return [lock for lock in (self.lock, self._busy) if lock.acquire(timeout=patience)]

    def close(self) -> None:
        """Close the connection."""
        with self.lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
