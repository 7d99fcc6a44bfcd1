"""What users do by mistake: each is told, with the next step, and nothing is changed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def here(tmp_path: Path, shell) -> Path:
    assert shell("init").returncode == 0
    return tmp_path


def said(done) -> str:
    return done.stderr.decode()


def test_the_repository_is_left_out_of_its_directory(here, shell):
    (here / "a").write_text("a")
    (here / "in/.cas").mkdir(parents=True)
    (here / "in/.cas/b").write_text("b")
    assert shell("put", ".", "all").returncode == 0
    assert shell("cat", "all").stdout == b"a\nin/.cas/b\n"
    assert b"unchanged" in shell("put", ".", "all").stdout


def test_pipes_are_read_through_standard_input(here, shell):
    os.mkfifo(here / "pipe")
    done = shell("put", "pipe", "x")
    assert done.returncode == 2
    assert "neither a file nor a directory" in said(done)
    assert "hint: read it: cas put - REF < pipe" in said(done)


def test_a_directory_to_write_into_must_be_there(here, shell):
    shell("put", "--value", "1", "one")
    done = shell("get", "one", "out/")
    assert done.returncode == 2
    assert "hint: mkdir -p out/" in said(done)
    assert not (here / "out").exists()


def test_two_columns_of_one_name(here, shell):
    (here / "twice.csv").write_text("a,a\n1,2\n")
    shell("put", "twice.csv", "twice", "--as", "csv")
    refused = shell("cat", "--json", "twice")
    assert refused.returncode == 2
    assert "two columns are called 'a'" in refused.stderr.decode()
    (here / "twice.parquet").write_bytes(shell("cat", "--format", "parquet", "twice").stdout)
    assert b"unchanged" in shell("put", "twice.parquet", "twice", "--as", "parquet").stdout


def test_a_damaged_segment_is_damage(here, shell):
    shell("put", "--value", "1", "one")
    (here / ".cas/refs/default/main/00000000000000000002.toml").write_text("x")
    done = shell("log", "--json")
    assert done.returncode == 15
    assert json.loads(done.stderr)["kind"] == "ref_syntax"
    assert "cas fsck" in json.loads(done.stderr)["hint"]


def test_a_url_is_no_directory_to_init(here, shell):
    done = shell("-C", "memory://store", "init")
    assert done.returncode == 2
    assert "cas remote add origin memory://store" in said(done)
    shell("remote", "add", "origin", "store")
    shell("push")
    there = (here / "store").as_uri()
    for command in (["remote", "add", "other", "x"], ["remote", "list"], ["push"], ["pull"], ["fetch"]):
        done = shell("-C", there, *command)
        assert done.returncode == 2, command
        assert f"cas clone {there}" in said(done)


def test_a_directory_by_its_url(here, shell, tmp_path):
    shell("put", "--value", "1", "one")
    shell("remote", "add", "origin", "store")
    shell("push")
    done = shell("-C", f"file://{tmp_path}/store", "cat", "one", cwd=Path("/"))
    assert done.stdout == b"1\n", said(done)


def test_a_remote_that_is_refused_makes_no_directory(here, shell):
    assert shell("remote", "add", "origin", "store").returncode == 0
    done = shell("remote", "add", "origin", "other")
    assert done.returncode == 2
    assert not (here / "other").exists()
    done = shell("push", "model")
    assert done.returncode == 14
    assert "a name comes after its remote: origin model" in said(done)


def test_a_terminal_of_another_encoding_shows_what_it_can(here, shell):
    shell("put", "--value", "1", "über")
    done = shell("ls", env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, said(done)
    assert done.stdout.startswith(b"\\xfcber ")


def test_interrupted_while_it_starts():
    code = """
import sys
from cas.cli import main

class Interrupting:
    def find_spec(self, name, *_):
        if name == "cas.cli.entry":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupting())
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (128 + signal.SIGINT, "interrupted\n")


def test_a_damaged_segment_of_a_remote_is_damage_too(here, shell):
    shell("put", "--value", "1", "one")
    shell("remote", "add", "origin", "store")
    shell("push")
    segment = here / "store/refs/default/main/00000000000000000001.toml"
    segment.chmod(0o644)
    segment.write_bytes(segment.read_bytes().replace(b'"one"', b'"../one"'))
    done = shell("clone", "store", "copy")
    assert done.returncode == 15
    assert "hint: nothing of it was admitted" in said(done)
    assert not (here / "copy").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_get_that_is_ended_leaves_nothing(here, shell, number):
    shell("put", "-", "big", stdin=bytes(1000))
    code = f"""
import os, sys, time
import cas.cli.content as content
from cas.cli import main

def export(self, path):
    path.write_bytes(b"half")
    os.kill(os.getpid(), {int(number)})
    time.sleep(30)

content.Content.export = export
sys.argv = ["cas", "get", "big", "out"]
main()
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=here, capture_output=True, text=True, check=False)
    assert done.returncode == 128 + number, done.stderr
    assert "Traceback" not in done.stderr
    assert {path.name for path in here.iterdir()} == {".cas"}
