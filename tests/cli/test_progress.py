from __future__ import annotations

import io
import time

import pytest

from cas.cli import progress
from cas.cli.progress import Progress, progress_line


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_line() -> None:
    assert progress_line("hashing a", 1_200_000, 2_900_000, "bytes", 3.4) == (
        "hashing a  41 %  1.2 MB of 2.9 MB  353 kB/s  3 s, 5 s left"
    )
    assert progress_line("verifying", 12, None, "objects", 3.4) == "verifying  12 objects  3 s"
    assert progress_line("storing a", 0, None, "bytes", 3.4) == "storing a  3 s"


def test_nothing_without_a_terminal_or_before_a_second() -> None:
    for stream in (io.StringIO(), Terminal()):
        with Progress("quick", stream=stream) as shown:
            shown.advance(1)
        assert stream.getvalue() == ""


def test_draws_and_wipes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    monkeypatch.setattr(progress, "PERIOD", 0.01)
    stream = Terminal()
    with Progress("slow\x1b[2J", total=10, stream=stream) as shown:
        shown.advance(5)
        limit = time.monotonic() + 10
        while "50 %" not in stream.getvalue() and time.monotonic() < limit:
            time.sleep(0.01)
    assert "slow\\x1b[2J  50 %" in stream.getvalue()
    assert stream.getvalue().endswith("\r\x1b[K")
