"""Spans in the catalog: packed and unpacked, numbered in whatever order they come."""

from __future__ import annotations

import sqlite3
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cas.catalog import rows
from cas.catalog.rows import SpanRow
from cas.catalog.schema import SCHEMA
from cas.catalog.spans import SpanQueries

ids = st.binary(min_size=32, max_size=32)
times = st.integers(0, 2**60)


@pytest.fixture
def database():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(SCHEMA)
    yield connection
    connection.close()


def span(letter: str, parent: str | None = None, opened: int = 0, status: str = "ok") -> SpanRow:
    ident = letter.encode() * 32
    return SpanRow(
        ident, parent and parent.encode() * 32, letter, "", status, opened, 9, b"c" * 32, "{}", "{}", "{}", None
    )


def asked(database: sqlite3.Connection) -> SpanQueries:
    return SpanQueries(lambda: database, lambda _: [])


def letters(found: list[SpanRow]) -> str:
    return "".join(row.label for row in found)


@given(
    st.builds(
        SpanRow, ids, st.none() | ids, st.text(), st.text(), st.text(), times, st.none() | times, st.none() | ids,
        st.text(), st.text(), st.text(), st.none() | st.text(),
    )
)  # fmt: skip
def test_packed_and_unpacked(row):
    packed = rows.pack(row)
    assert rows.unpack(packed) == row
    assert (rows.id_of(packed), rows.label_of(packed)) == (row.id, row.label)
    assert rows.is_plain(packed) == (row.kind == "")


@pytest.mark.parametrize("one_by_one", [False, True])
def test_children_may_come_before_their_parents(database, one_by_one):
    tree = [span("r"), span("a", "r", 1), span("b", "a", 3), span("c", "r", 2), span("d", "elsewhere"[0], 5)]
    for order in permutations(tree):
        database.executescript("DELETE FROM span; DELETE FROM expected;")
        for part in [[row] for row in order] if one_by_one else [order]:
            rows.insert(database, part)
        queries = asked(database)
        assert letters(queries.children(b"r" * 32)) == "ac"
        assert letters(queries.descendants(b"r" * 32)) == "acb"
        assert letters(queries.descendants(b"a" * 32)) == "b"
        assert letters(queries.ancestors(b"b" * 32)) == "ar"
        assert letters(queries.ancestors(b"d" * 32)) == ""
        assert letters(queries.children(b"e" * 32)) == "d"
        # A number is kept for the parent that is not here, and for no other.
        assert database.execute("SELECT id FROM expected").fetchall() == [(b"e" * 32,)]
        assert database.execute("SELECT COUNT(DISTINCT seq) FROM span").fetchone() == (5,)


def test_of_spans_opened_at_one_time_the_lesser_id_comes_first(database):
    rows.insert(database, [span("r"), span("c", "r", 7), span("a", "r", 7), span("b", "r", 7), span("d", "r", 6)])
    assert letters(asked(database).children(b"r" * 32)) == "dabc"
    assert letters(asked(database).descendants(b"r" * 32)) == "dabc"


def test_some_of_many(database):
    rows.insert(database, [span("r"), *(span(chr(97 + at), "r", at) for at in range(8)), span("x", "c", 99)])
    queries = asked(database)
    everything = queries.packed_descendants(b"r" * 32)
    assert letters(list(map(rows.unpack, everything))) == "abcdefghx"
    assert queries.packed_descendants(b"r" * 32, 3) == everything[:3]
    assert queries.packed_descendants(b"r" * 32, 3, 7) == everything[7:]
    assert queries.packed_descendants(b"r" * 32, None, 5) == everything[5:]
    assert queries.packed_children(b"r" * 32, 2, 1) == everything[1:3]


def test_replaced_rows_say_the_same_in_both_forms(database):
    rows.insert(database, [span("a"), span("b")])
    rows.replace(database, [span("a")._replace(status="deleted", closed=11, closing=b"n" * 32, error="{}")])
    found = rows.stored(database, [b"a" * 32, b"b" * 32, b"z" * 32])
    assert found.keys() == {b"a" * 32, b"b" * 32}
    assert found[b"a" * 32].status == "deleted"
    columns = database.execute("SELECT status, closed FROM span ORDER BY label").fetchall()
    assert columns == [("deleted", 11), ("ok", 9)]
