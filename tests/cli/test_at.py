"""``cas --at``: every reading command as it was then, and no writing one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import cas
from cas.cli.entry import run


@pytest.fixture
def filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    repo = cas.init(tmp_path)
    with repo.span("first"):
        repo.put({"n": 1}, "x@k=a")
    then = repo.resolve("x").created
    assert then is not None
    with repo.span("second"):
        repo.put({"n": 2}, "x@k=a")
        repo.put({"n": 3}, "y")
    repo.close()
    return then.isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["cat", "x"], {"n": 1}),
        (["ls", "--json"], ["x"]),
        (["log", "--json"], ["x@k=a"]),
        (["find", "--json"], ["x@k=a"]),
        (["parts", "x", "--json"], ["x@k=a"]),
    ],
)
def test_reading(filled: str, capfd: pytest.CaptureFixture[str], command: list[str], expected: object) -> None:
    for when in (filled, "@{1}"):
        assert run(["--at", when, *command]) == 0
        found = json.loads(capfd.readouterr().out)
        if isinstance(found, list):
            found = [one.get("ref", one["name"]).partition("#")[0] for one in found]
        assert found == expected


def test_what_was_not_there(filled: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["--at", filled, "show", "y"]) == 14
    assert run(["--at", "2020-01-01", "ls", "--json"]) == 0
    assert capfd.readouterr().out == "[]\n"
    for command in (["status"], ["lineage", "x"], ["resolve", "x"], ["span", "list"], ["fsck"], ["show", "x"]):
        assert run(["--at", filled, *command]) == 0
    assert "second" not in capfd.readouterr().out


def test_writing_is_refused(filled: str, capfd: pytest.CaptureFixture[str]) -> None:
    for command in (["put", "--value", "1", "z"], ["alias", "x", "prod"], ["rm", "x", "--yes"], ["declare", "x"]):
        assert run(["--at", filled, *command]) == 2
        assert "can only be read" in capfd.readouterr().err
    assert run(["--at", filled, "clone", ".", "elsewhere"]) == 2
    assert "as it is now" in capfd.readouterr().err
    assert run(["ls", "--at", filled]) == 2
    assert "comes before it: cas --at" in capfd.readouterr().err
    assert run(["--at", "someday", "ls"]) == 2
    assert "is no time" in capfd.readouterr().err
