"""Texts of times are read alike on every Python."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from cas import clock


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2024-05-01T13:45:10.5Z", datetime(2024, 5, 1, 13, 45, 10, 500000, timezone.utc)),
        ("2024-05-01T13:45:10.1234567z", datetime(2024, 5, 1, 13, 45, 10, 123456, timezone.utc)),
        ("2024-05-01T13:45+02:00", datetime(2024, 5, 1, 13, 45, tzinfo=timezone(timedelta(hours=2)))),
        ("2024-05-01 13:45:10", datetime(2024, 5, 1, 13, 45, 10)),
        ("2024-05-01", datetime(2024, 5, 1)),
    ],
)
def test_read(text: str, value: datetime) -> None:
    assert clock.read(text) == value


@pytest.mark.parametrize("text", ["", "Z", "2024-13-01", "now", "2024-05-01T25:00Z"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError):
        clock.read(text)
