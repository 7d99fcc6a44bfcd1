"""What a writer keeps at hand of names and tips: no put may end up elsewhere than where the log alone would have it."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cas
from cas.catalog.recent import Recent
from cas.errors import CasError
from cas.refs import grammar
from cas.refs.names import Name
from cas.refs.partitions import Partition

REFS = ("first", "First", "parted@k=1", "parted@k=2", "parted@j=1", "parted", "third@time=2024-05-01", "third")
OPS = ("put",) * 6 + ("named", "many", "delete", "alias", "span", "declare", "look", "check")


@pytest.fixture
def repo(tmp_path):
    repository = cas.init(tmp_path)
    yield repository
    repository.close()


def statements(repo: cas.Repository, action) -> list[str]:
    """The SQL that an action runs."""
    seen: list[str] = []
    repo.catalog.database.connection.set_trace_callback(seen.append)
    action()
    repo.catalog.database.connection.set_trace_callback(None)
    return seen


def test_puts_one_by_one_ask_nothing_once_the_names_are_known(repo, monkeypatch):
    monkeypatch.setattr("cas.catalog.catalog._LATE", 1 << 60)
    for number in range(40):
        repo.put(number, f"n{number}")
    assert statements(repo, lambda: [repo.put(number, f"m{number}") for number in range(100)]) == []
    assert statements(repo, lambda: [repo.put(-1 - number, f"m{number}") for number in range(100)]) == []
    assert statements(repo, lambda: [repo.put(number, f"p@k={number}") for number in range(100)]) == []


def test_names_that_were_there_are_asked_for_one_by_one_before_all_of_them(repo, tmp_path):
    repo.put_many([(number, f"n{number}") for number in range(3000)])
    other = cas.open(tmp_path)
    asked = statements(other, lambda: [other.put(-number, f"n{number}") for number in range(8)])
    assert not any("collision = " not in one and "COUNT" in one for one in asked)
    assert [other.get(f"n{number}") for number in range(10)] == [0, -1, -2, -3, -4, -5, -6, -7, 8, 9]
    other.close()


def test_what_is_kept_is_let_go_when_it_is_much(repo, monkeypatch):
    monkeypatch.setattr("cas.catalog.catalog._MANY", 20)
    monkeypatch.setattr("cas.catalog.catalog._KEPT", 50)
    monkeypatch.setattr("cas.catalog.recent._MOST", 0)
    log = repo.log_of("default", "main")
    for number in range(200):
        repo.put(number, f"n{number}")
        assert repo.catalog.recent(log).size < 150
    assert [repo.get(f"n{number}") for number in range(200)] == list(range(200))


def test_two_literals_that_share_twelve_digits_are_told_apart_at_hand(repo):
    log = repo.log_of("default", "main")
    repo.put(0, "n")
    repo.put(1, "n")
    version = repo.resolve("n").version
    recent = repo.catalog.recent(log)
    assert recent.version_is("n", Partition.of({}), version).hex() == repo.resolve("n").literal_id
    recent._older["n", repo.put(2, "m").version] = b"\xff" * 32  # another content has that name
    assert len(repo.put(2, "n").version) == 16


def oracle(directory: Path) -> cas.Repository:
    """A repository that keeps nothing at hand: each put asks tables that are up to date."""
    repository = cas.init(directory)
    catalog = repository.catalog

    def recent(log):
        catalog.catch_up(log)
        return Recent(catalog.refs, catalog.lock, log.project, log.domain)

    catalog.recent = recent
    return repository


def done(repo: cas.Repository, op: str, value: int, ref: str) -> object:
    """What an operation comes to, in words."""
    try:
        match op:
            case "put":
                made = repo.put(value, ref)
                return made.version, made.is_new
            case "named":
                return repo.put(value, f"{ref}#v{value % 2}").version
            case "many":
                return [one.version for one in repo.put_many([(value, ref), (value + 1, REFS[value % len(REFS)])])]
            case "delete":
                return sorted(repo.delete(ref).what)
            case "alias":
                return repo.alias(ref, "best").version
            case "span":
                with repo.span("s"):
                    repo.put(value, ref)
                return None
            case "declare":
                return repo.declare(ref.partition("@")[0], keys=("k", "j")).keys
            case "look":
                return repo.get(ref)
    except CasError as error:
        return type(error).__name__
    return None


def check(repo: cas.Repository) -> None:
    """What is at hand is what the tables say once they are up to date."""
    log = repo.log_of("default", "main")
    repo.catalog.catch_up(log)
    recent, refs = repo.catalog.recent(log), repo.catalog.refs
    for text in REFS:
        parsed = grammar.parse(text)
        name = Name("default", "main", parsed.name)
        assert recent.twins(name.name).get(name.name) == refs.declared(name), text
        assert next((one for one in recent.twins(name.name) if one != name.name), None) == refs.twin(name), text
        kept, tip = recent.tip(name.name, parsed.partition), refs.tip(name, parsed.partition)
        assert (kept and kept[:10]) == (tip and tip[:10]), text


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1), st.sampled_from(OPS), st.integers(0, 3), st.sampled_from(REFS)), max_size=25)
)
def test_two_writers_come_to_what_one_does_that_keeps_nothing(steps):
    home = Path(tempfile.mkdtemp())
    writers = [cas.init(home / "a"), cas.open(home / "a")]
    other = oracle(home / "b")
    try:
        for who, op, value, ref in steps:
            if op == "check":
                check(writers[who])
                continue
            assert done(writers[who], op, value, ref) == done(other, op, value, ref), (op, value, ref)
        for one in writers:
            check(one)
            assert [made.ref for made in one.log()] == [made.ref for made in other.log()]
            assert one.fsck().ok
    finally:
        for one in (*writers, other):
            with suppress(CasError):
                one.close()
        shutil.rmtree(home)
