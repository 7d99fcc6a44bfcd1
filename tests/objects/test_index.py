"""The index in a pack's footer is the same bytes by either way of making it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cas.objects import index

pytest.importorskip("numpy")

KEYS = st.binary(min_size=32, max_size=32) | st.binary(min_size=1, max_size=1).map(lambda byte: bytes(31) + byte)


@given(st.dictionaries(KEYS, st.integers(0, (1 << 40) - 1), max_size=80))
def test_columns_and_rows_give_the_same_bytes(entries: dict[bytes, int]) -> None:
    bits = index.fan_bits(len(entries))
    in_rows = index._build_in_rows(entries, len(entries), bits)
    assert index._build_in_columns(entries, len(entries), bits) == in_rows
    assert len(in_rows) == index.index_size(len(entries))
