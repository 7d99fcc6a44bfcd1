"""Processes forked after the parent used a remote: they open clients of their own, and nothing waits for ever."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import cas
from cas.errors import UnsupportedRemote
from cas.remotes.backends import choosing, open_writable

# Children are forked from a program of their own: pytest's has threads that are none of our business.
PROGRAM = """
import json, multiprocessing, os, sys
import cas
way, url, options, place = json.loads(sys.argv[1])
if way == "url":
    repo = cas.open(url, options=options)
else:
    repo = cas.init(place)
    repo.remotes.add("origin", url, options)
    repo.pull()
assert repo.get("one") == 1

def child(answers, number):
    try:
        repo.put(number, f"made@by={number}")
        if way == "push":
            repo.push()
        answers.put([number, repo.get("one"), len(repo.get("big"))])
        repo.close()
    except BaseException as error:
        answers.put([type(error).__name__, str(error), getattr(error, "hint", "")])

forking = multiprocessing.get_context("fork")
answers = forking.Queue()
children = [forking.Process(target=child, args=(answers, number)) for number in range(3)]
for one in children:
    one.start()
found = [answers.get(timeout=60) for _ in children]
for one in children:
    one.join(30)
assert [one.exitcode for one in children] == [0, 0, 0]
# The parent's own client goes on.
repo.put("after", "parent")
if way == "push":
    repo.push()
assert len(repo.get("big")) == 300_000
print(json.dumps(sorted(found, key=str)))
repo.close()
"""


@pytest.mark.parametrize("way", ["url", "push"])
@pytest.mark.parametrize("kind", ["s3-moto-obstore", "s3-moto-s3fs", "gs-gcsfs", "sftp"])
def test_children_use_the_remote_too(any_remote, tmp_path: Path, kind: str, way: str) -> None:
    place = any_remote(kind)
    ann = cas.init(tmp_path / "ann")
    ann.put(1, "one")
    ann.put(os.urandom(300_000), "big")
    ann.remotes.add("origin", place.url, place.options)
    ann.push()
    argument = json.dumps([way, place.url, dict(place.options), str(tmp_path / "forking")])
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, argument],
        env={**os.environ, **place.environment},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == [[number, 1, 300_000] for number in range(3)]
    ann.pull()
    assert sorted(one.get() for one in ann.find("made")) == [0, 1, 2]
    assert ann.get("parent") == "after"
    assert ann.fsck().ok


def test_a_child_without_another_library_says_so(any_remote, monkeypatch) -> None:
    place = any_remote("s3-moto-obstore")
    store = open_writable(place.url, place.options)
    assert store.create("a", b"1")
    monkeypatch.setattr(choosing, "_process", os.getpid() + 1)  # as in a child of the one that asked
    with pytest.raises(UnsupportedRemote, match="forked"):
        store.read("a")
    other = open_writable(place.url, place.options)
    assert other.read("a") == b"1"  # through s3fs
    other.close()
    monkeypatch.setattr(choosing, "installed", lambda module: module == "obstore")
    with pytest.raises(UnsupportedRemote, match="forked") as raised:
        open_writable(place.url, place.options)
    assert "spawn" in raised.value.hint


# Ends children as programs end, which collects all that they inherited.
ENDING = """
import gc, json, os, sys
import cas
url, options, place = json.loads(sys.argv[1])
ann = cas.init(place)
ann.remotes.add("origin", url, options)
there = cas.open(url, options=options)
assert there.get("one") == 1
ann.pull()
for number in range(6):
    child = os.fork()
    if not child:
        gc.collect()
        if number % 2:
            there.get("one")
        sys.exit()
    assert os.waitpid(child, 0)[1] == 0
    there.put(number, "number")
    assert ann.pull().entries >= 1
print(ann.get("number"))
"""


@pytest.mark.parametrize("kind", ["s3-moto-obstore", "s3-moto-s3fs", "gs-gcsfs", "sftp"])
def test_children_that_end_leave_the_parent_its_connections(any_remote, tmp_path: Path, kind: str) -> None:
    place = any_remote(kind)
    ann = cas.init(tmp_path / "ann")
    ann.put(1, "one")
    ann.remotes.add("origin", place.url, place.options)
    ann.push()
    options = {**place.options, "timeout": "20"}  # a connection that nobody hears of shows as an error
    argument = json.dumps([place.url, options, str(tmp_path / "forking")])
    ran = subprocess.run(
        [sys.executable, "-c", ENDING, argument],
        env={**os.environ, **place.environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "5\n"
