"""Values as partition strings."""

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from cas.errors import PartitionError
from cas.flows.rendering import moved_time, parse_time, render, render_time
from cas.refs.partitions import Granularity


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("EWR", "EWR"),
        (7, "7"),
        (-7, "-7"),
        (True, "true"),
        (False, "false"),
        (0.1, "0.1"),
        (1e-7, "1e-07"),
        (1.0, "1.0"),
        (date(2024, 5, 1), "2024-05-01"),
        (datetime(2024, 5, 1), "2024-05-01"),
        (datetime(2024, 5, 1, 10, 30), "2024-05-01T10:30:00Z"),
        (datetime(2024, 5, 1, 10, 30, 0, 5), "2024-05-01T10:30:00.000005Z"),
        (datetime(2024, 5, 1, 2, tzinfo=timezone(timedelta(hours=2))), "2024-05-01"),
        (datetime(2024, 5, 1, 1, tzinfo=timezone(timedelta(hours=2))), "2024-04-30T23:00:00Z"),
        (np.int64(3), "3"),
        (np.float64(0.5), "0.5"),
        (np.bool_(True), "true"),
        (pd.Timestamp("2024-05-01"), "2024-05-01"),
        (np.datetime64("2024-05-01"), "2024-05-01"),
        (np.datetime64("2024-05-01T10:30", "ns"), "2024-05-01T10:30:00Z"),
    ],
)
def test_render(value, text):
    assert render(value, "a") == text


@pytest.mark.parametrize("value", [None, [], {}, (), {1}, b"x", object(), np.array([1, 2]), Decimal(1), pd.NaT])
def test_values_without_a_form(value):
    with pytest.raises(PartitionError, match="the key a is a"):
        render(value, "the key a")


def test_times_are_truncated():
    assert render_time(datetime(2024, 5, 6, 7), Granularity.MONTH, "t") == "2024-05"
    assert render_time("2024-05-06T07:08:09Z", Granularity.HOUR, "t") == "2024-05-06T07"
    with pytest.raises(PartitionError, match="the time is a int"):
        render_time(5, Granularity.DAY, "the time")
    with pytest.raises(PartitionError, match="the time is a NaTType"):
        render_time(pd.NaT, Granularity.DAY, "the time")
    with pytest.raises(PartitionError, match="no time in UTC"):
        render_time(datetime(9999, 12, 31, 23, tzinfo=timezone(-timedelta(hours=5))), Granularity.DAY, "the time")
    with pytest.raises(PartitionError, match="coarser than an hour"):
        render_time("2024-05-06", Granularity.HOUR, "the time")


def test_times_are_moved():
    day = timedelta(days=1)
    assert moved_time(7, timedelta(0), "t") == 7
    assert moved_time(date(2024, 3, 1), -day, "t") == datetime(2024, 2, 29, tzinfo=timezone.utc)
    assert moved_time("2024-03", -day, "t") == datetime(2024, 2, 29, tzinfo=timezone.utc)
    with pytest.raises(PartitionError, match="no time can be added"):
        moved_time(7, day, "t")
    with pytest.raises(PartitionError, match="out of range"):
        moved_time(datetime(1, 1, 1), -day, "t")


@pytest.mark.parametrize("text", ["2024", "2024-05", "2024-05-01", "2024-05-01T07", "2024-05-01T07:08"])
def test_prefixes_are_parsed(text):
    assert parse_time(text, "t").isoformat().startswith(text)


def test_what_is_no_time():
    with pytest.raises(PartitionError, match="'yesterday', which is not a time"):
        parse_time("yesterday", "t")
