"""flyte:// addresses as refs, both ways."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cas.errors import RefSyntax
from cas.refs import grammar
from cas.refs.names import Name
from cas.refs.partitions import Partition
from cas.refs.uri import format_uri, is_uri, parse_uri


@pytest.mark.parametrize(
    ("uri", "ref"),
    [
        ("flyte://av0.1/p/d/name", "p/d/name"),
        ("flyte://av0.1/p/d/a.b", "p/d/a.b"),
        ("flyte://av0.1/p/d/name@v1", "p/d/name#v1"),
        ("flyte://av0.1/p/d/name:v1", "p/d/name#v1"),
        ("flyte://av0.1/p/d/name?b=2&a=1", "p/d/name@a=1,b=2"),
        ("flyte://av0.1/p/d/name@v?a=1&time_partition=2024-05-01", "p/d/name@a=1,time=2024-05-01#v"),
        ("flyte://av0.1/p/d/name?a=x%2Cy%20z", "p/d/name@a=x%2Cy z"),
    ],
)
def test_addresses_are_read(uri, ref):
    assert is_uri(uri)
    assert parse_uri(uri) == grammar.parse(ref) == grammar.parse(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "flyte://av0.2/p/d/n",
        "flyte://av0.1/p/d",
        "flyte://av0.1/p/d/n/x",
        "flyte://av0.1/p/d/n?a",
        "flyte://av0.1/p/d/n?a=1&a=2",
        "flyte://av0.1/p/d/n?time=2024-01&time_partition=2024-01",
        "flyte://av0.1/p/../n",
        "flyte://av0.1/p/d/n?a=",
        "flyte://av0.1//d/n",
    ],
)
def test_what_is_no_address(uri):
    with pytest.raises(RefSyntax):
        parse_uri(uri)
    with pytest.raises(RefSyntax):
        grammar.parse(uri)


words = st.from_regex(r"\A[a-z][a-z0-9]{0,6}(\.[a-z]{1,3})?\Z")
values = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Zs"]), min_size=1, max_size=8)


@settings(max_examples=60)
@given(
    words, words, words, st.dictionaries(words, values, max_size=3), st.none() | st.just("2024-05"), st.none() | words
)
def test_writing_and_reading_agree(project, domain, name, keys, time, version):
    keys.pop("time", None)
    revision = parse_uri(format_uri(Name(project, domain, name), Partition.of(keys, time), version))
    assert (revision.project, revision.domain, revision.name, revision.selector) == (project, domain, name, version)
    assert dict(revision.partition.keys) == keys
    assert revision.partition.time == time
