"""What one process writes is taken in late: no question and no later write may tell the difference."""

from __future__ import annotations

import pytest

import cas
from cas.errors import PartitionError, RefNameCollision, RefNotFound, VersionConflict


@pytest.fixture
def repo(tmp_path):
    repository = cas.init(tmp_path)
    yield repository
    repository.close()


def in_tables(repo: cas.Repository) -> int:
    return repo.catalog.database.connection.execute("SELECT COUNT(*) FROM version").fetchone()[0]


def test_puts_of_many_names_wait_together(repo, monkeypatch):
    monkeypatch.setattr("cas.catalog.catalog._LATE", 1 << 60)
    for number in range(50):
        repo.put(number, f"n{number}")
    assert in_tables(repo) < 5
    assert [repo.get(f"n{number}") for number in range(50)] == list(range(50))
    assert in_tables(repo) == 50


def test_a_name_that_waits_is_known_to_the_next_put(repo):
    repo.put(0, "a")
    assert repo.put(0, "n@k=1#one").version == "one"
    for number in range(3):
        repo.put(number, f"other{number}")
    with pytest.raises(VersionConflict):
        repo.put(5, "n@k=1#one")
    with pytest.raises(PartitionError):
        repo.put(5, "n@j=1")
    with pytest.raises(RefNameCollision):
        repo.put(5, "N@k=1")
    repo.put(0, "n@k=1")
    repo.put(7, "n@k=1")
    assert [version.get() for version in repo.log("n@k=1")] == [7, 0]
    repo.delete("n@k=1")
    with pytest.raises(RefNotFound):
        repo.get("n@k=1")
    repo.put(8, "n@k=1")
    repo.alias("n@k=1", "best")
    assert repo.get("n#best") == 8


def test_two_writers_of_one_repository(repo, tmp_path):
    other = cas.open(tmp_path)
    for number in range(20):
        repo.put(number, f"mine{number}")
        other.put(number, f"theirs{number}")
        repo.put(number, "both")
        other.put(-number, "both")
    for one in (repo, other):
        assert [one.get(f"mine{number}") for number in range(20)] == list(range(20))
        assert [one.get(f"theirs{number}") for number in range(20)] == list(range(20))
        assert one.get("both") == -19
        assert [version.get() for version in one.log("both", limit=3)] == [-19, 19, -18]
    other.close()


def test_closing_takes_in_what_is_much(repo, tmp_path):
    for number in range(100):
        repo.put(number, f"n{number}")
    repo.close()
    again = cas.open(tmp_path)
    assert in_tables(again) == 100
    assert again.fsck().ok
    again.close()


def test_more_than_may_wait(repo, monkeypatch):
    monkeypatch.setattr("cas.catalog.catalog._MANY", 10)
    for number in range(35):
        repo.put(number, f"n{number}")
        with repo.span("between"):
            pass
    assert in_tables(repo) > 20
    assert repo.get("n34") == 34
    assert len(repo.spans()) == 35


def test_what_waits_long_is_taken_in_with_the_next_write(repo, monkeypatch):
    monkeypatch.setattr("cas.catalog.catalog._LATE", 0)
    for number in range(20):
        repo.put(number, f"n{number}")
    assert in_tables(repo) > 10
    assert [repo.get(f"n{number}") for number in range(20)] == list(range(20))
