"""Many processes publish to one repository on S3 at once: every publication is there, each exactly once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

import cas
from cas.refs.entries import VersionEntry
from cas.remotes import fetching

WORKER = """
import json, sys
import cas
home, url, options, me, count = json.loads(sys.argv[1])
repo = cas.init(home, author=f"worker {me}")
repo.remotes.add("origin", url, options, probe=False)
for number in range(count):
    repo.put(number, f"results@worker={me}", version=f"{me}.{number}")
    repo.push()
    print(number, flush=True)
repo.close()
"""


def publish_at_once(place, tmp_path: Path, processes: int, count: int) -> float:
    """Let them run, and check what each was told against what is there; seconds."""
    began = time.monotonic()
    arguments = [
        json.dumps([str(tmp_path / f"worker{me}"), place.url, dict(place.options), me, count])
        for me in range(processes)
    ]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, argument],
            env={**os.environ, **place.environment},
            stdout=subprocess.PIPE,
            text=True,
        )
        for argument in arguments
    ]
    acknowledged = [one.communicate()[0].split() for one in running]
    taken = time.monotonic() - began
    assert [one.returncode for one in running] == [0] * processes
    assert acknowledged == [[str(number) for number in range(count)]] * processes
    judge = cas.init(tmp_path / "judge")
    judge.remotes.add("origin", place.url, place.options, probe=False)
    log = judge.remotes.open().log_there("default", "main")
    segments = list(log.after(0))  # the chain holds, without a gap
    versions = Counter(
        entry.version for segment in segments for entry in segment.entries if isinstance(entry, VersionEntry)
    )
    assert versions == Counter(f"{me}.{number}" for me in range(processes) for number in range(count))
    assert judge.pull().missing == ()
    assert sorted(one.get() for one in judge.find("results")) == [count - 1] * processes
    return taken


@pytest.mark.parametrize("kind", ["s3-moto-obstore", "directory"])
def test_eight_at_once(any_remote, tmp_path: Path, kind: str) -> None:
    publish_at_once(any_remote(kind), tmp_path, 8, 12)


@pytest.mark.slow
def test_sixteen_with_five_hundred_each(any_remote, tmp_path: Path) -> None:
    print(publish_at_once(any_remote("s3-ministack-obstore"), tmp_path, 16, 500))


@pytest.mark.parametrize("kind", ["s3-moto-obstore", "s3-moto-s3fs"])
def test_long_logs_are_looked_at_in_three_requests(
    any_remote, fronting, moto, tmp_path: Path, monkeypatch, kind
) -> None:
    front = fronting(moto)
    place = any_remote(kind, port=front.port)
    ann = cas.init(tmp_path / "ann")
    ben = cas.init(tmp_path / "ben")
    for one in (ann, ben):
        one.remotes.add("origin", place.url, place.options, probe=False)
    for number in range(12):
        ann.put(number, "count")
        ann.push()
        if number == 4:
            monkeypatch.setattr(fetching, "_FEW", 3)
        if number in (2, 4, 8, 9, 11):
            ben.fetch()
            front.seen.clear()
            assert ben.fetch().segments == 0
            assert len(front.seen) <= 3, front.seen
            ben.pull()
            assert ben.get("count") == number
    ann.put("elsewhere", "other/main/x")
    ann.push()
    assert ben.fetch().segments == 1
