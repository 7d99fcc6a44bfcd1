"""A span in the catalog: one packed value, and beside it the columns that questions compare.

Whoever asks for spans by the ten thousand gets the packed values: one column costs a fifth of a dozen, and most spans
are never asked for more than their ids. Spans point at their parents by number, so that the walk down a tree stays
within one narrow index.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

__all__ = ["SpanRow", "ask", "forget", "id_of", "insert", "is_plain", "label_of", "pack", "replace", "stored", "unpack"]

_ASKED = 500  # ids in one question: SQLite takes 999 parameters
_HEAD = 37  # bytes before the label of a packed span
_INSERT = """
INSERT INTO span (seq, id, up, lead, label, kind, status, opened, closed, meta, fields, row)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_REPLACE = "UPDATE span SET status = ?, closed = ?, row = ? WHERE id = ?"
# Every number is some span's own, or that of the parent of one.
_LAST = "SELECT MAX(COALESCE((SELECT MAX(seq) FROM span), 0), COALESCE((SELECT MAX(up) FROM span), 0))"


class SpanRow(NamedTuple):
    """One span: ids are 32 bytes, times µs; meta, code, fields and error are JSON text."""

    id: bytes
    parent: bytes | None
    label: str
    kind: str
    status: str
    opened: int
    closed: int | None
    closing: bytes | None
    meta: str
    code: str
    fields: str
    error: str | None


# --- packed spans ------------------------------------------------------------------------------------


def pack(row: SpanRow) -> bytes:
    """A span as one value: whether it is of a kind of its own, its id, the label and its length, and the rest."""
    label = row.label.encode()
    ident, parent, _, *rest = row
    kind = b"\1" if row.kind else b"\0"
    return b"".join((kind, ident, len(label).to_bytes(4, "little"), label, _coders()[0]([parent, *rest])))


def unpack(packed: bytes) -> SpanRow:
    """Inverse of :func:`pack`."""
    end = _HEAD + int.from_bytes(packed[33:_HEAD], "little")
    parent, *rest = _coders()[1](packed[end:])
    return SpanRow._make((packed[1:33], parent, packed[_HEAD:end].decode(), *rest))


def id_of(packed: bytes) -> bytes:
    """The id of a packed span."""
    return packed[1:33]


def label_of(packed: bytes) -> str:
    """The label of a packed span."""
    return packed[_HEAD : _HEAD + int.from_bytes(packed[33:_HEAD], "little")].decode()


def is_plain(packed: bytes) -> bool:
    """Whether a packed span is of no kind of its own, as nearly all are."""
    return not packed[0]


@lru_cache(maxsize=1)
def _coders() -> tuple[Callable[[Any], bytes], Callable[[bytes], Any]]:
    """Loaded at first use: what only asks for refs never needs them."""
    from msgspec.msgpack import Decoder, Encoder

    return Encoder().encode, Decoder().decode


# --- in the table ------------------------------------------------------------------------------------


def insert(database: sqlite3.Connection, rows: Sequence[SpanRow]) -> None:
    """Add spans that are not there yet, in any order of parents and children."""
    numbers, last = _numbers(database, [row.id for row in rows])
    _number_parents(database, {row.parent for row in rows if row.parent is not None}, numbers, last)
    database.executemany(
        _INSERT,
        [
            (
                numbers[row.id],
                row.id,
                None if row.parent is None else numbers[row.parent],
                int.from_bytes(row.id[:6], "big"),
                row.label,
                row.kind,
                row.status,
                row.opened,
                row.closed,
                row.meta,
                row.fields,
                pack(row),
            )
            for row in rows
        ],
    )


def replace(database: sqlite3.Connection, rows: Iterable[SpanRow]) -> None:
    """Change how spans ended."""
    database.executemany(_REPLACE, [(row.status, row.closed, pack(row), row.id) for row in rows])


def forget(database: sqlite3.Connection, ident: bytes) -> None:
    """Take a span away. Those inside it keep the number of their parent."""
    database.execute(
        "INSERT INTO expected SELECT id, seq FROM span WHERE id = ? AND seq IN (SELECT up FROM span)",
        (ident,),
    )
    database.execute("DELETE FROM span WHERE id = ?", (ident,))


def stored(database: sqlite3.Connection, idents: Sequence[bytes]) -> dict[bytes, SpanRow]:
    """Those of the spans that are there, by their ids."""
    rows = (unpack(row[0]) for row in ask(database, "SELECT row FROM span WHERE id IN", idents))
    return {row.id: row for row in rows}


def ask(database: sqlite3.Connection, sql: str, idents: Sequence[bytes], end: str = "") -> Iterator[tuple[Any, ...]]:
    """What a question about any number of ids gives; ``sql`` ends in IN."""
    for start in range(0, len(idents), _ASKED):
        part = idents[start : start + _ASKED]
        yield from database.execute(f"{sql} ({','.join('?' * len(part))}) {end}", part)


def _numbers(database: sqlite3.Connection, idents: Sequence[bytes]) -> tuple[dict[bytes, int], int]:
    """Numbers for new spans: those that their children gave them, else the next ones; and the last one in use."""
    last: int = database.execute(_LAST).fetchone()[0]
    numbers: dict[bytes, int] = {}
    if database.execute("SELECT 1 FROM expected LIMIT 1").fetchone() is not None:
        numbers.update(ask(database, "SELECT id, seq FROM expected WHERE id IN", idents))
        database.executemany("DELETE FROM expected WHERE id = ?", [(ident,) for ident in numbers])
    for ident in idents:
        if ident not in numbers:
            last += 1
            numbers[ident] = last
    return numbers, last


def _number_parents(database: sqlite3.Connection, parents: set[bytes], numbers: dict[bytes, int], last: int) -> None:
    """Add the numbers of parents: those that they have, else ones kept for them until they come."""
    wanted = sorted(parents - numbers.keys())
    numbers.update(ask(database, "SELECT id, seq FROM span WHERE id IN", wanted))
    wanted = [ident for ident in wanted if ident not in numbers]
    numbers.update(ask(database, "SELECT id, seq FROM expected WHERE id IN", wanted))
    new = {ident: number for number, ident in enumerate((one for one in wanted if one not in numbers), last + 1)}
    database.executemany("INSERT INTO expected VALUES (?, ?)", new.items())
    numbers.update(new)
