"""``cas parts``: lines, a grid and a calendar."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import cas
from cas.cli.entry import run
from cas.cli.parts import read_condition
from cas.errors import UsageError


@pytest.fixture
def filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    repo = cas.init(tmp_path)
    repo.put_many(
        [
            ("x" * 10 * day, f"rides@region={region},time=2024-02-{day:02}")
            for region, days in (("EWR", (1, 2, 29)), ("JFK", (2,)))
            for day in days
        ]
    )
    repo.put_many([(n, f"hourly@time=2024-02-01T{n:02}") for n in (0, 5, 23)])
    repo.put_many([(n, f"cube@a={n % 2},b={n // 2 % 2},c={n // 4}") for n in range(8)])
    repo.put(1, "plain")
    repo.close()
    return tmp_path


def shown(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert run(["parts", *arguments]) == code
    said = capsys.readouterr()
    return said.out if code == 0 else said.err


def test_two_keys_are_a_grid(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [line.split() for line in shown(capsys, "rides").splitlines()] == [
        ["time", "/", "region", "EWR", "JFK"],
        ["2024-02-01", "10", "B", "·"],
        ["2024-02-02", "20", "B", "20", "B"],
        ["2024-02-29", "290", "B", "·"],
    ]


def test_time_alone_is_a_calendar(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, "rides", "region=EWR").splitlines() == [
        "day      1234567890123456789012345678901",
        "2024-02  ■■··························■",
    ]
    assert shown(capsys, "rides", "--as", "calendar").splitlines()[1] == "2024-02  ■2··························■"
    assert shown(capsys, "hourly").splitlines() == [
        "hour        012345678901234567890123",
        "2024-02-01  ■····■·················■",
    ]


def test_more_keys_are_lines(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, "cube", "a=0").splitlines()
    assert lines[0].split() == ["b", "/", "c", "0", "1"]
    lines = shown(capsys, "cube").splitlines()
    assert lines[0].split() == ["a", "b", "c", "version", "type", "size", "created"]
    assert len(lines) == 9
    assert shown(capsys, "plain").splitlines()[1].split()[1:4] == ["int", "1", "B"]


@pytest.mark.parametrize(
    ("conditions", "count"),
    [
        (["region=JFK,EWR"], 4),
        (["region=E*"], 3),
        (["time=2024-02-02..2024-02"], 3),
        (["time=2024-02"], 4),
        (["time=..2024-01"], 0),
        (["region=EWR", "time=2024-02-01"], 1),
        (["rides@region=EWR"], 3),
        (["rides@region=EWR,time=2024-02-01"], 1),
        (["rides@region=EWR", "time=2024-02-02..2024-02"], 2),
    ],
)
def test_conditions(filled: Path, capsys: pytest.CaptureFixture[str], conditions: list[str], count: int) -> None:
    name = [] if conditions[0].startswith("rides") else ["rides"]
    found = json.loads(shown(capsys, *name, *conditions, "--json"))
    assert len(found) == count
    assert all(one["name"] == "rides" for one in found)


def test_mistakes(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no artifact 'rdes'" in shown(capsys, "rdes", code=14)
    assert "no partition key 'colour'" in shown(capsys, "rides", "colour=red", code=2)
    for twice in (["rides", "region=EWR", "region=JFK"], ["rides@region=EWR", "region=JFK"]):
        assert "hint: a list: region=EWR,JFK" in shown(capsys, *twice, code=2)
    for one in ("plain#v1", "plain~1", "plain@{1}", "plain//x"):
        assert f"'{one}' is one version, and parts are of a name" in shown(capsys, one, code=2)
    assert "a grid is of two keys" in shown(capsys, "cube", "--as", "grid", code=2)
    assert "not partitioned by time" in shown(capsys, "cube", "--as", "calendar", code=2)
    with pytest.raises(UsageError, match="is not key=value"):
        read_condition("EWR")
