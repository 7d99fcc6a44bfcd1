"""Checkpoints are written when a process lets go, from what it still has; and by the next one if it could not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

import cas
from cas.catalog.folding import Folding
from cas.refs import checkpoints
from cas.refs.log import RefLog
from cas.storage.local import LocalStore

WRITE = """
import os, signal, sys
import cas
import cas.catalog.folding
cas.catalog.folding._FOLD = 8
repo = cas.open(sys.argv[1])
for number in range(20):
    repo.put(number, f"n{number}")
if sys.argv[2] == "die":
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def early(monkeypatch):
    monkeypatch.setattr("cas.catalog.folding._FOLD", 8)


def folded(repo: cas.Repository) -> list[int]:
    return sorted(int(path.stem) for path in (repo.root / "refs/default/main").glob("*.arrow"))


def told(log: RefLog) -> tuple[object, ...]:
    return tuple(entry for segment in log.after(0) for entry in segment.entries)


def test_a_log_is_folded_once_when_it_is_let_go(tmp_path, early):
    repo = cas.init(tmp_path)
    for number in range(40):
        repo.put(number, f"n{number}")
    assert folded(repo) == []
    repo.close()
    assert folded(repo) == [32]
    again = cas.open(tmp_path)
    log = again.log_of("default", "main")
    assert checkpoints.read(again.store, log).entries == told(log)[:32]
    again.put(0, "more")
    again.close()
    assert folded(again) == [32]


def test_short_logs_are_not_folded(tmp_path, early):
    repo = cas.init(tmp_path)
    for number in range(7):
        repo.put(number, f"n{number}")
    repo.close()
    assert folded(repo) == []


def test_one_that_goes_on_writing_folds_when_it_has_kept_much(tmp_path, early, monkeypatch):
    monkeypatch.setattr("cas.catalog.folding._KEPT", 20)
    repo = cas.init(tmp_path)
    for number in range(50):
        repo.put(number, f"n{number}")
    assert folded(repo) == [16, 32]
    repo.close()
    again = cas.open(tmp_path)
    log = again.log_of("default", "main")
    assert checkpoints.replay(again.store, log).entries == told(log)
    again.close()


def test_the_segments_of_others_are_read_in_between(tmp_path, early):
    repo, other = cas.init(tmp_path), cas.open(tmp_path)
    for number in range(20):
        repo.put(number, f"n{number}")
        other.put(number, f"o{number}")
    repo.close()
    other.close()
    again = cas.open(tmp_path)
    log = again.log_of("default", "main")
    assert folded(again) == [32]
    assert checkpoints.read(again.store, log).entries == told(log)[:32]
    again.close()


@pytest.mark.parametrize("end", ["die", "leave"])
def test_who_ends_without_closing_leaves_it_to_its_end_or_to_the_next(tmp_path, early, end):
    repo = cas.init(tmp_path)
    repo.close()
    done = subprocess.run([sys.executable, "-c", WRITE, os.fspath(tmp_path), end], check=False)
    assert done.returncode == (-signal.SIGKILL if end == "die" else 0)
    assert folded(repo) == ([] if end == "die" else [16])
    after = cas.open(tmp_path)
    after.put("more", "n")
    after.close()
    assert folded(after) == [16]
    assert cas.open(tmp_path).get("n19") == 19


class Elsewhere:
    """A store that is no directory, as those of remotes."""

    def __init__(self, root) -> None:
        self.store = LocalStore(root)

    def __getattr__(self, name: str):
        return getattr(self.store, name)


@pytest.mark.parametrize(("first", "made"), [(8, [8]), (9, [])])
def test_elsewhere_only_who_wrote_the_segment_folds_at_it(tmp_path, early, first, made):
    log, folding, previous = RefLog(Elsewhere(tmp_path), "a", "b"), Folding(), "0" * 64
    for number in range(1, 13):
        segment = log.append(number, previous, (), author="Ann", time=number)
        previous = segment.digest
        if number >= first:
            folding.wrote(log, segment)
    folding.settle()
    assert sorted(int(path.stem) for path in (tmp_path / "refs/a/b").glob("*.arrow")) == made


def test_a_full_disk_does_not_spoil_what_was_written(tmp_path, early, monkeypatch):
    repo = cas.init(tmp_path)
    for number in range(20):
        repo.put(number, f"n{number}")

    def full(*_: object) -> bool:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "write", full)
    repo.close()
    again = cas.open(tmp_path)
    assert folded(again) == []
    assert again.get("n19") == 19
    again.close()


def test_large_batches_are_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("cas.catalog.folding._KEPT", 100)
    repo = cas.init(tmp_path)
    for batch in range(3):
        repo.put_many([(number, f"n{batch}-{number}") for number in range(200)])
        assert repo.catalog.folding._tails == {}
    repo.close()
