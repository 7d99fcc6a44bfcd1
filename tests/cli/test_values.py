from __future__ import annotations

import datetime as dt
import json
import math
import uuid
from decimal import Decimal
from pathlib import PurePosixPath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cas.cli.render.values import plain, to_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(JSON)
def test_json_values_come_back(value: object) -> None:
    assert json.loads(to_json(value)) == value


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ((1, 2), "[1,2]"),
        ({3, 1}, "[1,3]"),
        (math.nan, '"NaN"'),
        ([-math.inf], '["-Infinity"]'),
        (Decimal("1.50"), '"1.50"'),
        (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (dt.date(2013, 1, 2), '"2013-01-02"'),
        (dt.timedelta(minutes=1), "60.0"),
        (b"\x00\xff", '"AP8="'),
        ({1: "a"}, '[[1,"a"]]'),
        (PurePosixPath("a/b"), '"a/b"'),
        (np.arange(4).reshape(2, 2), "[[0,1],[2,3]]"),
        (np.float64("nan"), '"NaN"'),
        ("é", '"é"'),
    ],
)
def test_obvious_forms(value: object, shown: str) -> None:
    assert to_json(value) == shown


def test_the_rest_says_its_type() -> None:
    found = plain(object())
    assert found["type"] == "builtins.object"
    assert found["repr"].startswith("<object")
