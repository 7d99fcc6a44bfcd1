"""The catalog answers what the pure rules say, however entries came in, and rebuilds itself from nothing."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cas
from cas.catalog import ingest
from cas.catalog.catalog import Catalog
from cas.catalog.ingest import Ingest
from cas.errors import UsageError
from cas.refs.entries import DeleteEntry, Entry, VersionEntry
from cas.refs.history import History
from cas.refs.names import Name
from cas.refs.partitions import EMPTY, Partition

PARTITIONS = [EMPTY, Partition.of({"k": "a"}), Partition.of({"k": "b"}), Partition.of({"k": "a"}, "2024-05")]
LITERALS = ["1" * 64, "2" * 64, "3" * 64]
NAMES = [Name("default", "main", "n"), Name("default", "main", "m")]


@st.composite
def entries(draw: st.DrawFn) -> list[Entry]:
    found: list[Entry] = []
    for number in range(draw(st.integers(1, 25))):
        name, partition = draw(st.sampled_from(NAMES)).name, draw(st.sampled_from(PARTITIONS))
        write, stamp = f"{number:032x}", draw(st.integers(1, 12))
        if draw(st.integers(0, 4)):
            literal = draw(st.sampled_from(LITERALS))
            found.append(VersionEntry(name, partition, literal[:12], literal, "a" * 64, None, stamp, write))
        else:
            version = draw(st.sampled_from([None, LITERALS[0][:12]]))
            found.append(DeleteEntry(name, partition, version, None, stamp, write))
    return found


@pytest.mark.parametrize("many", [2, 1_000_000], ids=["in bulk", "one by one"])
@given(entries(), st.randoms(use_true_random=False), st.integers(1, 7))
def test_tips_are_those_of_the_pure_rules_in_any_order(
    many: int, found: list[Entry], random: object, batch: int
) -> None:
    catalog = Catalog(None, "owner", _no_read)
    mixed = list(found)
    random.shuffle(mixed)  # type: ignore[attr-defined]  # a random.Random
    with catalog.database.writing() as connection, mock.patch.multiple(ingest, _WHOLE=many, _BULK=many):
        connection.execute("INSERT INTO log VALUES (1, 'default', 'main', 1, '', 0)")
        for start in range(0, len(mixed), batch):
            # Some come twice, as from two remotes.
            Ingest(connection, 1).add(mixed[max(0, start - 2) : start + batch])
    for name in NAMES:
        _check_tips(catalog, name, [entry for entry in found if entry.name == name.name])  # type: ignore[union-attr]
    catalog.close()


def _check_tips(catalog: Catalog, name: Name, found: list[Entry]) -> None:
    tips = {}
    for partition in PARTITIONS:
        mine = [entry for entry in found if entry.partition == partition]  # type: ignore[union-attr]
        tip = History(mine).tip  # type: ignore[arg-type]
        row = catalog.refs.tip(name, partition)
        assert (row and row.write) == (tip and tip.write)
        if tip is not None:
            tips[partition] = tip
    for query in PARTITIONS:
        matching = [tip for partition, tip in tips.items() if partition.contains(query)]
        row = catalog.refs.latest(name, query)
        assert (row.stamp if row else None) == max((tip.stamp for tip in matching), default=None)
        assert {one.write for one in catalog.refs.tips(name, query)} == {tip.write for tip in matching}


def _no_read(*_: object) -> bytes:
    raise AssertionError("no record is needed")


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    repository = cas.init(tmp_path)
    for number in range(5):
        repository.put(number, "count")
        repository.put({"n": number}, f"rows@n={number}")
    with repository.span("work"):
        repository.put(repository.get("count"), "copy")
    repository.alias("count~1", "before")
    repository.close()
    return tmp_path


def answers(path: Path) -> object:
    repository = cas.open(path)
    try:
        return (
            [version.to_dict() for version in repository.log()],
            [version.id for version in repository.find("*")],
            repository.aliases("count"),
            [span.to_dict() for span in repository.spans()],
            repository.lineage("copy").to_dict(),
            repository.resolve("rows@n=3").id,
        )
    finally:
        repository.close()


def test_a_deleted_catalog_answers_the_same(filled: Path) -> None:
    before = answers(filled)
    (filled / ".cas/catalog.sqlite").unlink()
    assert answers(filled) == before


@pytest.mark.parametrize("damage", [b"", b"not a database at all" * 100, None])
def test_a_damaged_catalog_is_built_anew(filled: Path, damage: bytes | None) -> None:
    before = answers(filled)
    path = filled / ".cas/catalog.sqlite"
    content = path.read_bytes()
    # None: the middle of a real one overwritten.
    path.write_bytes(content[:4096] + b"\xff" * 4096 + content[8192:] if damage is None else damage)
    assert answers(filled) == before


def test_a_catalog_from_another_repository_is_not_believed(
    filled: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    before = answers(filled)
    other = tmp_path_factory.mktemp("other")
    stranger = cas.init(other)
    for number in range(20):
        stranger.put(number * 7, "count")
    stranger.close()
    shutil.copy(other / ".cas/catalog.sqlite", filled / ".cas/catalog.sqlite")
    assert answers(filled) == before


def test_a_stale_catalog_catches_up(filled: Path) -> None:
    stale = (filled / ".cas/catalog.sqlite").read_bytes()
    repository = cas.open(filled)
    newest = repository.put(99, "count")
    repository.close()
    (filled / ".cas/catalog.sqlite").write_bytes(stale)
    again = cas.open(filled)
    assert again.resolve("count") == newest
    again.close()


def test_a_log_restored_from_before_is_followed(filled: Path) -> None:
    backup = filled / "backup"
    shutil.copytree(filled / ".cas/refs", backup)
    repository = cas.open(filled)
    repository.put("later", "later")
    repository.resolve("later")
    repository.close()
    shutil.rmtree(filled / ".cas/refs")
    shutil.copytree(backup, filled / ".cas/refs")
    again = cas.open(filled)
    with pytest.raises(cas.CasError, match="later"):
        again.resolve("later")
    again.close()


def test_no_catalog_can_be_written(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = answers(filled)
    connect = sqlite3.connect

    def refuse(path: str, **options: object) -> sqlite3.Connection:
        if path != ":memory:":
            raise sqlite3.OperationalError("unable to open database file")
        return connect(path, **options)  # type: ignore[call-overload, no-any-return]  # passed on

    monkeypatch.setattr("cas.catalog.database.sqlite3.connect", refuse)
    assert answers(filled) == before


def test_a_closed_repository_says_so(tmp_path: Path) -> None:
    repository = cas.init(tmp_path)
    repository.close()
    with pytest.raises(UsageError, match="closed"):
        repository.resolve("x")


def test_one_probe_when_nothing_is_new(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = cas.open(filled)
    repository.resolve("count")
    probes: list[str] = []
    exists = type(repository.store).exists

    def counting(store: object, name: str) -> bool:
        probes.append(name)
        return exists(store, name)  # type: ignore[arg-type]  # the store itself

    monkeypatch.setattr(type(repository.store), "exists", counting)
    repository.resolve("count")
    assert len(probes) == 1
    repository.close()
