"""Processes that create the same name at once: exactly one wins, in every round, and its bytes stand."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

PROCESSES = 8
ROUNDS = 20
# Each line read is a round's name; "go" tells that all have read it.
RACER = """
import json, sys
from cas.remotes.backends import open_writable
url, options, mine = json.loads(sys.argv[1])
store = open_writable(url, options)
store.exists("warm")
print("ready", flush=True)
for name in map(str.strip, sys.stdin):
    print(json.dumps(store.create(name, f"{mine} {name}".encode())), flush=True)
store.close()
"""


@pytest.mark.parametrize(
    "remote", ["directory", "s3-moto-obstore", "s3-moto-s3fs", "s3-ministack-obstore", "sftp"], indirect=True
)
def test_one_winner(remote):
    racers = [start(remote, number) for number in range(PROCESSES)]
    try:
        for racer in racers:
            assert racer.stdout.readline() == "ready\n"
        store = remote.open()
        for turn in range(ROUNDS):
            name = f"refs/p/d/{turn:020}.toml"
            for racer in racers:
                racer.stdin.write(name + "\n")
            for racer in racers:  # all names are written before the first is sent off
                racer.stdin.flush()
            won = [json.loads(racer.stdout.readline()) for racer in racers]
            assert won.count(True) == 1, f"round {turn}"
            assert store.read(name) == f"{won.index(True)} {name}".encode()
        store.close()
    finally:
        for racer in racers:
            racer.stdin.close()
            racer.wait(30)
            racer.stdout.close()


def start(remote, number: int) -> subprocess.Popen[str]:
    argument = json.dumps([remote.url, dict(remote.options), number])
    return subprocess.Popen(
        [sys.executable, "-c", RACER, argument],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **remote.environment},
    )
