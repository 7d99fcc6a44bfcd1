"""Errors become messages and exit codes in one place."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import pytest

import cas
from cas.cli import hash as hash_command
from cas.cli.entry import run


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    assert "Plumbing:" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"cas {cas.__version__}\n" == f"cas {metadata.version('cas-store')}\n"


def test_unknown_command_names_near_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["statsu"]) == 2
    assert capsys.readouterr().err == "error: no command 'statsu'; did you mean status?\nhint: cas --help\n"
    assert run(["help", "lneage"]) == 2
    assert "did you mean lineage" in capsys.readouterr().err


def test_unknown_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["log", "--frobnicate"]) == 2
    assert capsys.readouterr().err.startswith("error: no such option '--frobnicate'\n")


def test_errors_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["hash", "--json", str(tmp_path / "missing")]) == 14
    shown = capsys.readouterr()
    assert shown.out == ""
    assert json.loads(shown.err)["kind"] == "not_found"


def test_directory_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-C", "/nowhere/at/all", "ls"]) == 2
    assert "cannot change to '/nowhere/at/all'" in capsys.readouterr().err


def test_surprises_take_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def surprise(path: str) -> None:
        raise RuntimeError("it\nbroke")

    monkeypatch.setattr(hash_command, "hash_file", surprise)
    assert run(["hash", "a"]) == 1
    assert capsys.readouterr().err == (
        "internal error: RuntimeError: it broke\nhint: this is a bug in cas; CAS_TRACEBACK=1 shows where\n"
    )
    monkeypatch.setenv("CAS_TRACEBACK", "1")
    with pytest.raises(RuntimeError):
        run(["hash", "a"])


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt, 130), (BrokenPipeError, 141)])
def test_ends_quietly(
    error: type[BaseException], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(path: str) -> None:
        raise error

    monkeypatch.setattr(hash_command, "hash_file", stop)
    assert run(["hash", "a"]) == code
    assert "Traceback" not in capsys.readouterr().err
