"""Temporary files of killed writers go after a day; what is in use, and locks, stay."""

from __future__ import annotations

import os
import time

import cas
from cas.storage.leftovers import OLD, sweep


def test_only_what_nobody_wrote_to_for_a_day_goes(tmp_path):
    now = time.time_ns() // 1000
    for name in ("old", "new", "old.lock"):
        (tmp_path / name).write_bytes(b"x")
    for name in ("room", "busy"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "stdin").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "new")
    before = (now - OLD) / 1e6 - 60
    for name in ("old", "old.lock", "room/stdin", "room", "busy"):
        os.utime(tmp_path / name, (before, before))
    os.utime(tmp_path / "link", (before, before), follow_symlinks=False)
    sweep(tmp_path, now)
    assert sorted(os.listdir(tmp_path)) == ["busy", "new", "old.lock"]
    sweep(tmp_path / "not there", now)


def test_a_writer_and_a_push_sweep(tmp_path):
    with cas.init(tmp_path / "here") as repo:
        repo.put(1, "n")
        repo.remotes.add("hub", str(tmp_path / "hub"))
        repo.push("hub")
        repo.put(2, "n")
    left = [tmp_path / "here/.cas/tmp/abc", tmp_path / "hub/tmp/abc"]
    for path in left:
        path.write_bytes(b"half a pack")
        os.utime(path, (1, 1))
    with cas.open(tmp_path / "here") as repo:
        repo.push("hub")
        assert [path.exists() for path in left] == [True, False]
        repo.put(3, "n")
    assert not any(path.exists() for path in left)
