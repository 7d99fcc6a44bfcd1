from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cas.cli.render import text

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1550, "1.6 kB"), (23_400_000, "23 MB"), (999_600, "1.0 MB")],
)
def test_size(count: int, shown: str) -> None:
    assert text.size(count) == shown


@given(st.integers(0, 10**18))
def test_size_is_short(count: int) -> None:
    assert len(text.size(count)) <= 7


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "just now"),
        (30, "30 seconds ago"),
        (60, "1 minute ago"),
        (7300, "2 hours ago"),
        (90_000, "1 day ago"),
        (8 * 86400, "1 week ago"),
        (400 * 86400, "1 year ago"),
        (-3600, "2026-11-22T13:00:00Z"),
    ],
)
def test_ago(seconds: int, shown: str) -> None:
    assert text.ago(NOW - timedelta(seconds=seconds), NOW) == shown


def test_duration() -> None:
    lengths = [(0.34, "340 ms"), (12.3, "12.3 s"), (245, "4 min 05 s"), (7800, "2 h 10 min")]
    assert [text.duration(NOW, NOW + timedelta(seconds=length)) for length, _ in lengths] == [s for _, s in lengths]
    assert text.duration(NOW, None) == "-"


@given(st.text())
def test_clean_text_moves_no_cursor(found: str) -> None:
    assert not set(text.clean(found)) & {chr(code) for code in (*range(32), *range(127, 160), 0x202E, 0x200F)}


def test_clean_shows_what_was_there() -> None:
    assert text.clean("a\x1b[31mb\n") == "a\\x1b[31mb\\n"
    assert text.clean("a\nb", keep="\n") == "a\nb"


def test_columns_align_whatever_the_colour() -> None:
    rows = [["a", "\x1b[1mbold\x1b[0m", "1"], ["long", "x", "100"]]
    assert text.columns(rows, right=(2,)) == ["a     \x1b[1mbold\x1b[0m    1", "long  x     100"]
    assert text.columns([]) == []
