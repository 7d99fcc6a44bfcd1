"""Figures as people read them."""

from __future__ import annotations

from pathlib import Path

import pytest
from blake3 import blake3

from cas.demo.stage import Stage, duration, size
from cas.errors import CasError


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (999_940, "999.9 kB"),
        (999_960, "1.0 MB"),
        (2**31, "2.1 GB"),
    ],
)
def test_size(count: int, text: str) -> None:
    assert size(count) == text


def test_duration() -> None:
    assert (duration(0.034), duration(12.34)) == ("0.03 s", "12.3 s")


def test_steps_are_numbered_and_commands_really_run(tmp_path: Path) -> None:
    said: list[str] = []
    stage = Stage(said.append, tmp_path)
    stage.title("First")
    (tmp_path / "empty").touch()
    stage.command("hash", str(tmp_path / "empty"))
    stage.title("Second")
    stage.code("x = 1")
    assert said == [
        "",
        "1. First",
        f"   $ cas hash {tmp_path / 'empty'}",
        f"   {blake3().hexdigest()}",
        "",
        "2. Second",
        "   >>> x = 1",
    ]


def test_long_output_is_cut(tmp_path: Path) -> None:
    said: list[str] = []
    Stage(said.append, tmp_path).command("help", "refs")
    assert said[-1].endswith("lines more")
    assert len(said) == 16


def test_a_command_that_fails_says_so(tmp_path: Path) -> None:
    with pytest.raises(CasError, match="cas resolve nothing failed"):
        Stage(print, tmp_path).command("resolve", "nothing")
