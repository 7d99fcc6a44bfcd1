"""How many requests an exchange makes: counted in front of the server."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

import cas
from cas.repository.exchange import clone


@pytest.fixture
def counted(any_remote, fronting, moto):
    front = fronting(moto)
    place = any_remote("s3-moto-obstore", port=front.port)

    def since(verb) -> Counter[str]:
        front.seen.clear()
        verb()
        return Counter(method for method, _, _ in front.seen)

    return place, since


def test_a_fetch_that_finds_nothing(counted, tmp_path: Path) -> None:
    place, since = counted
    ann = cas.init(tmp_path / "ann")
    ann.put(1, "one")
    ann.put(2, "other/main/two")
    ann.remotes.add("origin", place.url, place.options)
    ann.push()
    assert since(ann.fetch).total() <= 3
    assert since(ann.fetch).total() == 1
    assert since(ann.push).total() == 1
    ben, _ = clone(place.url, tmp_path / "ben", options=place.options)
    assert since(ben.fetch).total() == 1
    assert since(ben.pull).total() == 1
    assert since(cas.open(tmp_path / "ben").fetch).total() == 1


def test_many_small_artifacts_go_in_few_requests(counted, tmp_path: Path) -> None:
    place, since = counted
    ann = cas.init(tmp_path / "ann")
    ann.put_many([({"row": number}, f"rows@n={number}") for number in range(2000)])
    ann.remotes.add("origin", place.url, place.options)
    assert since(ann.push)["PUT"] == 3  # its config, one pack, one segment
    ben = cas.init(tmp_path / "ben")
    ben.remotes.add("origin", place.url, place.options)
    assert since(ben.pull).total() <= 8
    assert len(ben.find("rows")) == 2000


def test_a_changed_version_of_a_table(counted, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    place, since = counted
    rows = 200_000
    columns = {name: os.urandom(8 * rows) for name in "abcd"}

    def table(content: dict[str, bytes]) -> object:
        return pa.table(
            {name: pa.Array.from_buffers(pa.int64(), rows, [None, pa.py_buffer(content[name])]) for name in "abcd"}
        )

    ann = cas.init(tmp_path / "ann")
    ann.put(table(columns), "table")
    ann.remotes.add("origin", place.url, place.options)
    ann.push()
    before = sum(path.stat().st_size for path in (ann.root / "objects").glob("*"))
    columns["b"] = columns["b"][:4000] + os.urandom(8000) + columns["b"][12_000:]
    ann.put(table(columns), "table")
    new = sum(path.stat().st_size for path in (ann.root / "objects").glob("*")) - before
    sent: list[object] = []
    seen = since(lambda: sent.append(ann.push()))
    assert seen["PUT"] == 2  # the data, the segment
    assert seen.total() <= 5
    assert sent[0].bytes <= 1.1 * new  # type: ignore[attr-defined]
    ben, _ = clone(place.url, tmp_path / "ben", options=place.options)
    assert ben.get("table").equals(table(columns))
    assert ben.get("table~1").column("a").equals(ben.get("table").column("a"))


def test_a_repository_at_a_url(counted, tmp_path: Path) -> None:
    place, since = counted
    ann = cas.init(tmp_path / "ann")
    ann.put(1, "one")
    ann.remotes.add("origin", place.url, place.options)
    ann.push()
    there = cas.open(place.url, options=place.options)
    assert since(lambda: there.get("one")).total() <= 6
    assert since(lambda: there.get("one")).total() <= 1
    assert since(lambda: there.put(2, "one")).total() <= 5
    there.close()
