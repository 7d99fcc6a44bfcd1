"""Connections cut at every request: a typed error, nothing half visible, and the next try goes on from there."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

import cas
from cas.errors import CasError
from cas.remotes import receiving, sending
from cas.remotes.retry import Retry


@pytest.fixture
def once(monkeypatch) -> None:
    """No second attempts within a command, so that each cut ends it."""
    monkeypatch.setattr(Retry, "rounds", lambda _: iter([0]))


@pytest.fixture
def small_pieces(monkeypatch) -> None:
    monkeypatch.setattr(sending, "_PACK", 150_000)
    monkeypatch.setattr(receiving, "_LONGEST", 100_000)
    monkeypatch.setattr(receiving, "_GAP", 0)


class Cutter:
    """Cuts the nth reply from when it is set, and all after it. In how many pieces a socket gives a reply is chance."""

    def __init__(self) -> None:
        self.left = -1

    def __call__(self, sent: bytes, _reply: bytes) -> bool:
        self.left -= bool(sent)  # which is told with the first piece only
        return self.left <= 0


def run_to_the_end(cutter: Cutter, verb, check) -> list[int]:
    """Run a command again and again, cutting one reply later each time; the bytes that each run moved."""
    moved = []
    for number in range(1, 60):
        cutter.left = number
        try:
            done = verb()
        except CasError as error:
            assert not isinstance(error, KeyError)
            check()
            moved.append(-1)
            continue
        moved.append(done.bytes)
        if cutter.left > 0:
            return moved
    raise AssertionError("never came to its end")


def test_push_resumes(any_remote, cutting, moto, tmp_path: Path, once, small_pieces) -> None:
    cutter = Cutter()
    proxy = cutting(moto, cutter)
    place = any_remote("s3-moto-obstore", port=proxy.port)
    straight = {**place.options, "endpoint_url": f"http://127.0.0.1:{moto}"}
    ann = cas.init(tmp_path / "ann")
    big = random.Random(7).randbytes(2_400_000)  # chunks of the same sizes every time
    ann.put(big, "big")
    ann.remotes.add("origin", place.url, place.options, probe=False)
    watcher = cas.init(tmp_path / "watcher")
    watcher.remotes.add("origin", place.url, straight)

    def check() -> None:
        """Whatever is visible there is whole."""
        try:
            watcher.pull()
        except CasError as error:
            assert error.kind == "no_repository", error
        for info in watcher.names():
            assert watcher.get(info.name) == big

    moved = run_to_the_end(cutter, lambda: ann.push(jobs=1), check)
    assert len(moved) > 8
    watcher.pull()
    assert watcher.get("big") == big
    stored = sum(info.size for info in watcher.remotes.open().store.list("objects/"))
    assert stored < 1.5 * len(big)  # what had arrived was not sent again, save a pack whose answer was lost
    entries = [entry for segment in watcher.log_of("default", "main").after(0) for entry in segment.entries]
    assert len(entries) == 1


def test_pull_resumes(any_remote, cutting, moto, tmp_path: Path, once, small_pieces) -> None:
    cutter = Cutter()
    proxy = cutting(moto, cutter)
    place = any_remote("s3-moto-obstore", port=proxy.port)
    straight = {**place.options, "endpoint_url": f"http://127.0.0.1:{moto}"}
    ann = cas.init(tmp_path / "ann")
    big = random.Random(7).randbytes(2_400_000)  # chunks of the same sizes every time
    ann.put(big, "big")
    ann.remotes.add("origin", place.url, straight)
    ann.push()
    ben = cas.init(tmp_path / "ben")
    ben.remotes.add("origin", place.url, place.options, probe=False)

    def check() -> None:
        assert ben.names() == []
        assert list((ben.root / "objects").glob("*.pack")) == []

    moved = run_to_the_end(cutter, lambda: ben.pull(jobs=1), check)
    assert len(moved) > 8
    assert moved[-1] < len(big) / 2  # most had arrived before
    assert ben.get("big") == big
    assert ben.fsck().ok
    assert list((ben.root / "remotes/origin/incoming").glob("*")) == []


def test_another_machine_goes_on(any_remote, tmp_path: Path, small_pieces, monkeypatch) -> None:
    place = any_remote("memory")
    ann = cas.init(tmp_path / "ann")
    big = random.Random(7).randbytes(900_000)  # chunks of the same sizes every time
    ann.put(big, "big")
    ann.remotes.add("origin", place.url)
    store = ann.remotes.open().store
    create, sent = store.create_from_file, []

    def three(name: str, path: Path) -> bool:
        if len(sent) == 3:
            raise cas.CasError("the lights went out")
        sent.append(name)
        return create(name, path)

    monkeypatch.setattr(store, "create_from_file", three)
    with pytest.raises(CasError):
        ann.push(jobs=1)
    assert list(store.list("refs/")) == []
    ben = cas.init(tmp_path / "ben")
    ben.put(big, "big")
    ben.remotes.add("origin", place.url)
    assert ben.push().bytes < 0.7 * len(big)
    cat = cas.init(tmp_path / "cat")
    cat.remotes.add("origin", place.url)
    cat.pull()
    assert cat.get("big") == big


def test_processes_that_pull_at_once(tmp_path: Path) -> None:
    """They share a repository: both end well, and what is left behind is nothing."""
    import threading

    ann = cas.init(tmp_path / "ann")
    for number in range(5):
        ann.put(os.urandom(200_000), f"part@n={number}")
    ann.remotes.add("origin", str(tmp_path / "hub"))
    ann.push()
    cas.init(tmp_path / "ben").remotes.add("origin", str(tmp_path / "hub"))
    faults: list[BaseException] = []

    def work() -> None:
        try:
            mine = cas.open(tmp_path / "ben")
            mine.pull()
            mine.close()
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    ben = cas.open(tmp_path / "ben")
    assert len(ben.find("part")) == 5
    assert ben.fsck().ok
    entries = [entry.write for segment in ben.log_of("default", "main").after(0) for entry in segment.entries]
    assert len(entries) == len(set(entries)) == 6
