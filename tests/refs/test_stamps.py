import re

import pytest

from cas.errors import RefConflict
from cas.refs.entries import SpanEntry, in_order
from cas.refs.stamps import DAY, Stamps, WriteIds, check_not_ahead

NOW = 1795333249000123


def entry(stamp, write="0" * 32):
    return SpanEntry("a" * 64, None, "run", stamp, write)


def test_stamps_follow_the_clock_and_never_fall_behind_the_log():
    ahead = Stamps(after=10, now=NOW)
    assert [ahead.next(), ahead.next()] == [NOW, NOW + 1]
    behind = Stamps(after=NOW, now=10)
    assert [behind.next(), behind.next()] == [NOW + 1, NOW + 2]
    assert Stamps(after=NOW, now=NOW).next() == NOW + 1
    assert Stamps(after=0, now=0).next() == 1


def test_write_ids_share_a_prefix_and_count():
    writes = WriteIds()
    first, second = writes.next(), writes.next()
    assert re.fullmatch("[0-9a-f]{24}00000000", first)
    assert second == f"{first[:24]}00000001"
    assert WriteIds().next()[:24] != first[:24]


def test_entries_from_the_future_are_refused():
    check_not_ahead([], NOW)
    check_not_ahead([entry(NOW + DAY)], NOW)
    with pytest.raises(RefConflict, match="day ahead"):
        check_not_ahead([entry(NOW + DAY + 1), entry(NOW)], NOW)


def test_order_is_by_stamp_and_then_write():
    one, two, three = entry(1, "b" * 32), entry(2, "0" * 32), entry(2, "a" * 32)
    assert (
        in_order([three, two, one]) == in_order([one, two, three]) == in_order([one, three, two]) == [one, two, three]
    )
