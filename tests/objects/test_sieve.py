"""The sieve over packs: it may say yes of a key that is nowhere, and never no of one that is somewhere."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from cas.objects import sieve
from cas.objects.ids import Kind
from cas.objects.limits import Limits
from cas.objects.sieve import Sieve, Sieves
from cas.objects.store import ObjectStore


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    monkeypatch.setattr(sieve, "_WORTH", 0)
    monkeypatch.setattr(sieve, "_LEAST", 4)
    return ObjectStore(tmp_path / "objects")


def packed(store: ObjectStore, count: int, size: int = 12) -> list[bytes]:
    """A pack of so many blobs; their ids."""
    with store.writer() as writer:
        return list(writer.put_blobs([os.urandom(size) for _ in range(count)]))


def test_what_is_in_a_pack_is_never_denied_as_packs_come_and_go(store: ObjectStore) -> None:
    there: list[bytes] = []
    for count in (3, 1, 40, 500, 2, 9, 3000, 1):
        there += packed(store, count)
        assert all(map(store.holds, there))
        assert store.held(there) == set(there)
        strangers = [os.urandom(32) for _ in range(2000)]
        assert not any(map(store.holds, strangers))
        assert store.held([*strangers, *there[-3:]]) == set(there[-3:])
    gone = store.packs[:3]
    store.drop(gone)
    left = set(there) - {store.packs[0].pages[at + 5 : at + 37] for pack in gone for at in pack.places()}
    for key in left:
        assert store.holds(key) == any(pack.find(key) >= 0 for pack in store.packs)


def test_merged_packs_are_in_it_by_their_new_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sieve, "_WORTH", 0)
    store = ObjectStore(tmp_path / "objects", Limits(crowd=4))
    there: list[bytes] = []
    for _ in range(12):
        there += packed(store, 50)
        assert all(map(store.holds, there[-50:]))
        store.merge()
    assert len(store.packs) < 12
    assert all(map(store.holds, there))


def test_few_strangers_are_let_through(store: ObjectStore) -> None:
    for count in (1000, 2000, 4000, 8000):
        packed(store, count)
        made = Sieve(store.packs)
        strangers = [os.urandom(32) for _ in range(20_000)]
        through = sum(map(made.may_hold, strangers))
        assert through < 20_000 / 8
        assert made.sift(strangers) == [key for key in strangers if made.may_hold(key)]
        assert made.sift([]) == []


def test_one_that_is_added_to_is_as_one_made_anew(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sieve, "_LEAST", 16)
    packed(store, 300)
    before = Sieve(store.packs)
    packed(store, 400)
    assert Sieve(store.packs, before)._table == Sieve(store.packs)._table
    packed(store, 30_000)  # for which the first has no room
    assert Sieve(store.packs, before)._bits > before._bits
    assert Sieve(store.packs, before)._table == Sieve(store.packs)._table


def test_it_is_made_once_it_pays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sieve, "_WORTH", 1000)
    store = ObjectStore(tmp_path / "objects")
    for _ in range(4):
        packed(store, 5)
    sieves = Sieves()
    assert [sieves.of(store.packs) is None for _ in range(300)] == [True] * 249 + [False] * 51
    assert Sieves().of(store.packs, keys=1000) is None
    assert Sieves().of(store.packs, keys=2000) is not None


def test_blobs_in_chunks_are_in_it_by_their_own_ids(store: ObjectStore, noise: Callable[[int, int], bytes]) -> None:
    with store.writer() as writer:
        blob = writer.put_blob(noise(3 << 20, 1))
    assert store.holds(blob) and store.holds(blob, Kind.MAP) and not store.holds(blob, Kind.BLOB)


def test_packs_whose_footer_is_damaged_are_in_it_too(store: ObjectStore) -> None:
    there = packed(store, 20)
    path = store.directory / store.packs[0].name
    store.close()
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 3)
    again = ObjectStore(store.directory)
    assert all(map(again.holds, there))
    assert again.packs[0].scanned


def test_threads_may_ask_while_packs_come(store: ObjectStore) -> None:
    there = packed(store, 100)
    denied: list[bytes] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            denied.extend([key for key in list(there) if not store.holds(key)])

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(15):
        there.extend(packed(store, 30))
    done.set()
    for thread in threads:
        thread.join()
    assert denied == []
