from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cas.errors import InvalidRefName, PartitionError, RefSyntax
from cas.refs.partitions import EMPTY, Granularity, Partition, check_time, decode_value, encode_value

values = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


def test_the_text_sorts_keys_and_puts_time_last():
    partition = Partition.of({"zone": "a", "b": "2", "time": "2024-05-01"})
    assert partition.text == "b=2,zone=a,time=2024-05-01"
    assert partition == Partition.of({"b": "2", "zone": "a"}, "2024-05-01")
    assert partition.as_dict() == {"b": "2", "zone": "a"}
    assert EMPTY.text == "" == Partition.of({}).text


def test_values_are_percent_encoded():
    assert Partition.of({"k": "a,b#c~d^e/f@g%h"}).text == "k=a%2Cb%23c%7Ed%5Ee%2Ff%40g%25h"
    assert Partition.of({"k": "é\n\u202e"}).text == "k=é%0A%E2%80%AE"
    assert encode_value("a=b c:d") == "a=b c:d"


@given(values)
def test_encoding_comes_back(value):
    encoded = encode_value(value)
    assert decode_value(encoded) == value
    assert not set(encoded) & set(",#~^/@\n\0\x7f\u202e")


@pytest.mark.parametrize("text", ["%", "a%2", "%zz", "%ff", "%e9x", "%C3%28", "%25%"])
def test_bad_encodings_are_refused(text):
    with pytest.raises(RefSyntax):
        decode_value(text)


@pytest.mark.parametrize(
    "time", ["2024-05", "2024-05-01", "2024-02-29", "2024-05-01T13", "2024-05-01T13:45", "0001-01"]
)
def test_times_of_a_granularity(time):
    assert check_time(time) == time
    assert Granularity.of(time).truncate(time) == time


@pytest.mark.parametrize(
    "time",
    ["2024", "2024-13", "2024-00", "2023-02-29", "1900-02-29", "2024-04-31", "2024-05-01T24", "2024-05-01T13:60",
     "2024-05-01T13:45:00", "2024-05-01 13", "2024-5", "0000-01", "\uff12024-05", "", "2024-05\n", "2024-05-01T13:45Z"],
)  # fmt: skip
def test_other_times_are_refused(time):
    with pytest.raises(RefSyntax):
        check_time(time)


def test_truncation_is_in_utc():
    late = datetime(2024, 5, 1, 1, 30, 59, tzinfo=timezone(timedelta(hours=2)))
    assert [grain.truncate(late) for grain in Granularity] == [
        "2024-04-30T23:30",
        "2024-04-30T23",
        "2024-04-30",
        "2024-04",
    ]
    assert Granularity.DAY.truncate(datetime(2024, 5, 1, 23)) == "2024-05-01"
    assert Granularity.MINUTE.truncate(date(2024, 5, 1)) == "2024-05-01T00:00"
    assert Granularity.HOUR.truncate("2024-05-01T13:45:10.5Z") == "2024-05-01T13"
    assert Granularity.MONTH.truncate("2024-05-01") == "2024-05"
    assert Granularity.DAY.truncate(datetime(33, 1, 2)) == "0033-01-02"


@pytest.mark.parametrize("value", ["2024-05", "yesterday", "", 5, None, "2024-02-30"])
def test_what_cannot_be_truncated_to_a_day(value):
    with pytest.raises((PartitionError, RefSyntax)):
        Granularity.DAY.truncate(value)


def test_bad_partitions_are_refused():
    for keys in ({"k": ""}, {"k": 3}, {"k": "x" * 1025}, {"k": "é" * 600}, {"k": "\ud800"}):
        with pytest.raises(RefSyntax):
            Partition.of(keys)
    with pytest.raises(InvalidRefName):
        Partition.of({"a/b": "c"})
    with pytest.raises(RefSyntax, match="at most 10"):
        Partition.of({f"k{index}": "v" for index in range(11)})
    with pytest.raises(RefSyntax, match="two times"):
        Partition.of({"time": "2024-05"}, "2024-05")
    assert len(Partition.of({f"k{index}": "v" for index in range(10)}, "2024-05").keys) == 10


def test_containment():
    whole = Partition.of({"a": "1", "b": "2"}, "2024-05-01")
    assert whole.contains(whole)
    assert whole.contains(EMPTY)
    assert whole.contains(Partition.of({"b": "2"}))
    assert whole.contains(Partition.of(None, "2024-05-01"))
    assert not whole.contains(Partition.of({"b": "1"}))
    assert not whole.contains(Partition.of({"c": "2"}))
    assert not whole.contains(Partition.of(None, "2024-05"))
    assert not EMPTY.contains(whole)
