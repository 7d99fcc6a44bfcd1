"""Taking span records in: trees by the thousand, what is missing, what was removed and made again."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import pytest

from cas.catalog.intake import SpanIntake
from cas.catalog.schema import SCHEMA
from cas.errors import ObjectNotFound
from cas.objects.ids import Kind, object_id
from cas.spans import records
from cas.spans.records import SpanClose, SpanOpen, SpanOutput


class Store:
    """Records by id, some of which may be away."""

    def __init__(self) -> None:
        self.kept: dict[bytes, bytes] = {}
        self.away: set[bytes] = set()

    def put(self, record: SpanOpen | SpanClose) -> bytes:
        payload = records.encode(record)
        ident = object_id(Kind.SPAN, payload)
        self.kept[ident] = payload
        return ident

    def read_many(self, idents: Sequence[bytes]) -> list[bytes]:
        if self.away.intersection(idents) or not self.kept.keys() >= set(idents):
            raise ObjectNotFound("not here")
        return [self.kept[ident] for ident in idents]

    def opened(self, label: str, parent: bytes | None = None) -> bytes:
        return self.put(SpanOpen(label, parent, len(self.kept), {}, {}, "", {}, bytes(16)))  # type: ignore[arg-type]

    def closed(self, span: bytes, *, children=(), outputs=(), previous=None, status="ok", removed=()) -> bytes:
        made = [SpanOutput(artifact, label, None) for artifact, label in outputs]
        return self.put(
            SpanClose(span, status, len(self.kept), None, [], made, [], list(children), [], previous, tuple(removed))  # type: ignore[arg-type]
        )


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def database():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(SCHEMA)
    yield connection
    connection.close()


def pend(database: sqlite3.Connection, opening: bytes, closing: bytes | None) -> None:
    database.execute("INSERT INTO pending VALUES (1, ?, ?)", (opening, closing))


def labels(database: sqlite3.Connection, span: bytes) -> list[str]:
    return [row[0] for row in database.execute("SELECT label FROM output WHERE span = ? ORDER BY pos", (span,))]


def test_a_tree_by_its_root(database, store):
    root = store.opened("root")
    children = [store.opened(f"child{number}", root) for number in range(7000)]
    closing = store.closed(root, children=[store.closed(child) for child in children])
    pend(database, root, closing)
    for _ in range(2):
        SpanIntake(database, store.read_many).pending()
        assert database.execute("SELECT COUNT(*), SUM(status = 'ok') FROM span").fetchone() == (7001, 7001)
        assert database.execute("SELECT COUNT(*) FROM pending").fetchone() == (0,)
        pend(database, root, closing)


def test_what_is_away_comes_later(database, store):
    root = store.opened("root")
    there, away, unopened = (store.opened(name, root) for name in ("there", "away", "unopened"))
    closings = [store.closed(child) for child in (there, away, unopened)]
    pend(database, root, store.closed(root, children=closings))
    store.away = {closings[1], unopened}
    for _ in range(2):
        SpanIntake(database, store.read_many).pending()
        assert {row[0] for row in database.execute("SELECT label FROM span")} == {"root", "there"}
        assert database.execute("SELECT COUNT(*) FROM pending").fetchone() == (2,)
    store.away = set()
    SpanIntake(database, store.read_many).pending()
    assert {row[0] for row in database.execute("SELECT label FROM span WHERE status = 'ok'")} == {
        "root",
        "there",
        "away",
        "unopened",
    }
    assert database.execute("SELECT COUNT(*) FROM pending").fetchone() == (0,)


@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "one by one"])
def test_a_span_entered_again_after_a_label_was_removed(database, store, at_once):
    span = store.opened("span")
    first = store.closed(span, outputs=[(b"1" * 32, "a"), (b"2" * 32, "b")])
    removed = store.closed(span, previous=first, removed=["a"])
    again = store.closed(span, previous=removed, outputs=[(b"3" * 32, "c"), (b"4" * 32, "a")])
    for closing in [again] if at_once else [first, removed, again]:
        SpanIntake(database, store.read_many).closings([closing])
    assert labels(database, span) == ["b", "c", "a"]
    gone = store.closed(span, previous=again, status="deleted")
    SpanIntake(database, store.read_many).closings([gone])
    assert labels(database, span) == []
    assert database.execute("SELECT status FROM span").fetchone() == ("deleted",)


def test_an_earlier_closing_that_is_away_holds_the_later_one_back(database, store):
    span = store.opened("span")
    first = store.closed(span, outputs=[(b"1" * 32, "a")])
    later = store.closed(span, previous=first, outputs=[(b"2" * 32, "b")])
    store.away = {first}
    assert set(SpanIntake(database, store.read_many).closings([later])) == {first, later}
    store.away = set()
    assert SpanIntake(database, store.read_many).closings([later]) == []
    assert labels(database, span) == ["a", "b"]
