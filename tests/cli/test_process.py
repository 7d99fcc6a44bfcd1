"""A few things that only a whole process shows: pipes, signals, start-up."""

from __future__ import annotations

import base64
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from blake3 import blake3

Shell = Callable[..., "subprocess.CompletedProcess[bytes]"]

# What no plumbing command may wait for.
HEAVY = {
    "pandas",
    "pyarrow",
    "numpy",
    "fsspec",
    "gcsfs",
    "polars",
    "msgspec",
    "zstandard",
    "pyfastcdc",
    "tomli",
    "asyncio",
}


# What a resolve needs none of, when the log holds nothing new: it costs a third of the start-up.
UNNEEDED = {"json", "logging", "concurrent.futures", "dataclasses", "cas.objects.writer", "cas.cli.render"}
# Fine where click or sqlite3 needs them, which differs between versions; not for us.
NOT_OURS = {"pathlib", "urllib.parse", "inspect", "tempfile"}


@pytest.fixture
def stocked(shell: Shell, tmp_path: Path) -> Path:
    assert shell("init").returncode == 0
    assert shell("put", "--value", "1", "model").returncode == 0
    return tmp_path


def test_stdin_and_stdout_are_for_bytes(stocked: Path, shell: Shell) -> None:
    content = bytes(range(256)) * 1000
    put = shell("put", "-", "blob", stdin=content)
    assert put.returncode == 0, put.stderr
    assert shell("cat", "blob").stdout == content
    assert shell("get", "blob", "-").stdout == content
    assert shell("hash", "-", stdin=content).stdout.decode() == blake3(content).hexdigest() + "\n"
    assert b"  file  " in shell("put", "-", "blob", "--as", "file", stdin=content).stdout
    assert shell("cat", "blob").stdout == content
    table = shell("put", "-", "table", "--as", "csv", stdin=b"a\n1\n")
    assert table.returncode == 0, table.stderr
    assert shell("cat", "table").stdout == b"a\n1\n"


def test_resolve_waits_for_nothing_heavy(stocked: Path, shell: Shell) -> None:
    shell("resolve", "model")  # reads what is new in the log; then nothing is
    code = (
        "import sys, click, sqlite3\n"
        "before = set(sys.modules)\n"
        "from cas.cli.entry import run\n"
        "assert run(['resolve', 'model']) == 0\n"
        "print(*sys.modules, file=sys.stderr)\n"
        "print(*set(sys.modules) - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=stocked, capture_output=True, text=True, check=True)
    artifact, added = done.stdout.splitlines()
    assert len(artifact) == 64
    assert set(added.split()) & NOT_OURS == set()
    loaded = set(done.stderr.split())
    assert loaded & (HEAVY | UNNEEDED) == set()
    commands = {name for name in loaded if name.startswith("cas.cli.")}
    assert commands.isdisjoint({"cas.cli.put", "cas.cli.ls", "cas.cli.help", "cas.cli.author"})


def test_putting_what_is_there_already_loads_no_encoder(stocked: Path, shell: Shell) -> None:
    (stocked / "file.bin").write_bytes(os.urandom(1_000_000))
    assert shell("put", "file.bin", "big").returncode == 0
    code = (
        "import sys, click, sqlite3\n"
        "from cas.cli.entry import run\n"
        "assert run(['put', 'file.bin', 'big']) == 0\n"
        "print(*sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=stocked, capture_output=True, text=True, check=True)
    said, loaded = done.stdout.splitlines()
    assert said.endswith("unchanged")
    assert set(loaded.split()) & (HEAVY | {"msgspec", "json", "decimal", "tempfile", "zstandard", "pyfastcdc"}) == set()


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_reader_that_goes_away_is_no_error(stocked: Path, shell: Shell, unbuffered: str) -> None:
    big = b"x" * 3_000_000
    assert shell("put", "-", "big", stdin=big).returncode == 0
    process = subprocess.Popen(
        [sys.executable, "-m", "cas.cli", "cat", "big"],
        cwd=stocked,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=60) == 141


def test_interrupt(stocked: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "cas.cli", "hash", "-"],
        cwd=stocked,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdin is not None
    for _ in range(5):  # more than the pipe holds: once all is written, the command is reading
        process.stdin.write(b"x" * (1 << 20))
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, b"", b"interrupted\n")


def test_errors_leave_stdout_empty(stocked: Path, shell: Shell) -> None:
    done = shell("show", "--json", "modle")
    assert (done.returncode, done.stdout) == (14, b"")
    assert json.loads(done.stderr)["kind"] == "ref_not_found"


def test_author_is_signed(stocked: Path, shell: Shell) -> None:
    shell("put", "--value", "2", "model", env={"CAS_AUTHOR": "Bo <bo@example.org>"})
    newest = max((stocked / ".cas" / "refs" / "default" / "main").glob("*.toml"))
    assert 'author = "Bo <bo@example.org>"' in newest.read_text()


def test_no_colour_in_a_pipe(stocked: Path, shell: Shell) -> None:
    assert b"\x1b" not in shell("log", env={"FORCE_COLOR": "1"}).stdout


def test_colour_and_pager_on_a_terminal(stocked: Path) -> None:
    pty = pytest.importorskip("pty")

    def shown(environment: dict[str, str]) -> bytes:
        mine, theirs = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "cas.cli", "log"],
            cwd=stocked,
            stdin=theirs,
            stdout=theirs,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "TERM": "xterm", **environment},
        )
        os.close(theirs)
        output = b""
        try:
            while part := os.read(mine, 4096):
                output += part
        except OSError:  # how Linux says that the other side was closed
            pass
        os.close(mine)
        process.wait(timeout=60)
        return output

    assert b"\x1b[" in shown({"CAS_PAGER": "cat"})
    assert b"\x1b[" not in shown({"CAS_PAGER": "cat", "NO_COLOR": "1"})
    assert b"paged model" in shown({"CAS_PAGER": "sed 's/.*model.*/paged model/'"})
    told = shown({"CAS_PAGER": "cat"})
    assert b" ago" in told or b"just now" in told


def test_bytes_longer_than_memory_need_not_fit_in_it(tmp_path: Path, shell: Shell) -> None:
    """What is put from standard input, and read back, goes through in pieces: the process stays small."""
    shell("init")
    content = random.Random(3).randbytes(3 << 20) + b"tail"
    made = json.loads(shell("put", "-", "blob", "--json", stdin=content).stdout)
    assert (made["type"], made["size"], made["content"]) == ("bytes", len(content), blake3(content).hexdigest())
    (tmp_path / "file").write_bytes(content)
    again = json.loads(shell("put", "file", "blob", "--as", "bytes", "--json").stdout)
    assert again["unchanged"]
    assert shell("cat", "blob").stdout == content
    assert shell("get", "blob", "out").stdout == b"out  bytes  3.1 MB\n"
    assert (tmp_path / "out").read_bytes() == content
    assert json.loads(shell("cat", "blob", "--json").stdout) == base64.b64encode(content).decode()
    assert list((tmp_path / ".cas/tmp").iterdir()) == []
    if not Path("/proc/self/status").exists():
        return  # where the peak cannot be asked for
    for arguments in (("put", "-", "most"), ("cat", "most"), ("get", "most", "whole")):
        assert _peak(tmp_path, *arguments, stdin=(128 << 20) if arguments[0] == "put" else 0) < 128 << 20


def _peak(directory: Path, *arguments: str, stdin: int) -> int:
    """The most memory, in bytes, that a command takes while it is given so many zeros."""
    code = "import sys; from cas.cli.entry import run; run(sys.argv[1:]);"
    code += "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0], file=sys.stderr)"
    with open("/dev/zero", "rb") as zeros:
        given = subprocess.Popen(["head", "-c", str(stdin)], stdin=zeros, stdout=subprocess.PIPE)
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=directory,
            stdin=given.stdout,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=True,
        )
        given.wait()
        assert given.stdout is not None
        given.stdout.close()
    return int(done.stderr) << 10
