"""The catalog's file may be damaged, or impossible to write: it is derived, so nobody is kept from an answer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import cas
from cas.catalog.database import CatalogDamaged

PAGE = 4096


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A repository of a few hundred refs and some spans, all taken in."""
    with cas.init(tmp_path) as repo:
        repo.put_many((i, f"n{i % 20}@k={i}") for i in range(400))
        for i in range(3):
            with repo.span(f"s{i}") as span:
                span.log(repo.get(f"n{i}"), "read")
                repo.put(-i, f"o{i}")
        assert answers(repo)
        repo.close()
    return tmp_path


def answers(repo: cas.Repository) -> list[object]:
    return [
        [(one.name, one.partitions, one.versions) for one in repo.names()],
        repo.resolve("n7@k=207").id,
        [one.ref for one in repo.log("o1")],
        [(one.label, one.status) for one in repo.spans()],
        str(repo.lineage("o2")),
    ]


def test_a_damaged_page_is_told_once_and_then_forgotten(filled: Path) -> None:
    with cas.open(filled) as repo:
        expected = answers(repo)
        repo.close()
    file = filled / ".cas" / "catalog.sqlite"
    whole = file.read_bytes()
    told = 0
    for start in range(0, len(whole), 3 * PAGE):
        file.write_bytes(whole[:start] + os.urandom(PAGE) + whole[start + PAGE :])
        with cas.open(filled) as repo:
            try:
                found = answers(repo)
            except CatalogDamaged as error:
                told += 1
                assert error.kind == "storage"
                assert error.hint is not None
                assert "again" in error.hint
                found = answers(repo)
            assert found == expected
            repo.close()
        with cas.open(filled) as repo:
            assert answers(repo) == expected
            repo.close()
    assert told


@pytest.mark.parametrize("pragma", ["max_page_count = 1", "query_only = 1"], ids=["a full disk", "a read-only file"])
def test_what_is_new_is_answered_where_the_file_cannot_be_written(filled: Path, pragma: str) -> None:
    with cas.open(filled) as other, cas.open(filled) as repo:
        repo.resolve("n1")
        repo.catalog.database.connection.execute(f"PRAGMA {pragma}")
        other.put_many((i, f"new{i}@k=1") for i in range(500))
        with other.span("late") as span:
            span.log(1, "one")
        assert repo.resolve("new77").get() == 77
        assert len(repo.names()) == 523
        assert repo.spans()[0].label == "late"
        assert repo.put("here", "n1").get() == "here"
        assert other.get("n1") == "here"
        other.close()
        repo.close()


def test_spans_are_read_where_the_file_cannot_be_written(filled: Path) -> None:
    with cas.open(filled) as other, cas.open(filled) as repo:
        with other.span("late") as span:
            span.log(1, "one")
        repo.resolve("n1")
        repo.catalog.database.connection.execute("PRAGMA query_only = 1")
        assert repo.spans()[0].label == "late"
        assert repo.get(f"%{span.id[:12]}//one") == 1
        other.close()
        repo.close()
