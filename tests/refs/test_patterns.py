from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cas.errors import RefSyntax
from cas.refs.partitions import EMPTY, Partition, encode_value
from cas.refs.patterns import Pattern, glob, parse_pattern

PART = Partition.of({"region": "eu-1", "kind": "a*b"}, "2024-05-01")


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("*", True),
        ("ride_*", True),
        ("ride_score?", True),
        ("ride_[st]cores", True),
        ("ride_[!s]cores", False),
        ("Ride_*", False),
        ("ride", False),
        ("*@region=eu-1", True),
        ("*@region=eu-?,time=2024-05*", True),
        ("*@time=2024-06*", False),
        ("*@region=us*", False),
        ("*@zone=*", False),
        ("*@kind=a%2Ab", True),
        ("*@kind=a%2A", False),
        ("shop/*/ride_*", True),
    ],
)
def test_matching(pattern, fits):
    assert parse_pattern(pattern).matches("ride_scores", PART) is fits


def test_what_has_no_time_fits_no_time():
    assert not parse_pattern("*@time=*").matches("n", EMPTY)
    assert parse_pattern("*").matches("n", EMPTY)


def test_parts():
    assert parse_pattern("p*/d/n@b=2*,a=1") == Pattern("p*", "d", "n", (("a", "1"), ("b", "2*")), None)
    assert parse_pattern("n").is_plain
    assert not parse_pattern("n?").is_plain


@pytest.mark.parametrize(
    "text", ["", "a#prod", "a/b", "a@prod", "a@k=", "a@k=1,k=2", "a\nb", "o:a", "a~1", "//", "a@k=%zz"]
)
def test_bad_patterns(text):
    with pytest.raises(RefSyntax):
        parse_pattern(text)


@given(st.text(max_size=20) | st.text("a*?[]!@=,%2-", max_size=20), st.text(max_size=8))
def test_any_pattern_is_answered_or_refused(pattern, name):
    with suppress(RefSyntax):
        parse_pattern(pattern).matches(name, PART)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=10))
def test_an_encoded_value_matches_itself(value):
    literal = encode_value(value).replace("*", "%2A").replace("?", "%3F").replace("[", "%5B")
    assert parse_pattern(f"*@k={literal}").matches("n", Partition.of({"k": value}))


def test_many_stars_are_not_slow():
    assert not glob("*a" * 40 + "b", "a" * 2000)
    assert not glob("*" * 100_000 + "b", "a")
