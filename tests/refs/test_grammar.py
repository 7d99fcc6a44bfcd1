import string
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cas.errors import InvalidRefName, RefSyntax
from cas.refs import grammar
from cas.refs.grammar import At, Back, Input, Revision, Was
from cas.refs.names import check_name, check_project
from cas.refs.parsing import parse_slowly
from cas.refs.partitions import EMPTY, Partition

MAY_2024 = 1714521600000000


def passes(check):
    def test(text):
        try:
            return check(text) == text
        except InvalidRefName:
            return False

    return test


words = st.text(string.ascii_letters + string.digits + "_-.é +", min_size=1, max_size=12)
names = words.filter(passes(check_name))
projects = words.filter(passes(check_project))
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
times = st.sampled_from(["2024-05", "2024-05-01", "2024-05-01T13", "2024-05-01T13:45"])
partitions = st.builds(
    Partition.of, st.dictionaries(names.filter(lambda key: key != "time"), texts, max_size=4), st.none() | times
)
mods = st.lists(
    st.builds(Back, st.integers(0, 10**9 - 1))
    | st.builds(Input, st.integers(1, 10**9 - 1))
    | st.builds(Was, st.integers(0, 10**9 - 1))
    | st.builds(At, st.integers(0, 253402300799999999)),
    max_size=4,
).map(tuple)
members = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=8)
paths = st.none() | st.lists(members.filter(lambda part: part not in (".", "..")), min_size=1, max_size=3).map("/".join)
scopes = st.none() | st.tuples(projects, projects)
refs = st.builds(
    lambda remote, scope, name, partition, selector, mods, path: Revision(
        remote, *(scope or (None, None)), name, partition, selector, mods, path, None
    ),
    st.none() | projects,
    scopes,
    names,
    partitions,
    st.none() | names,
    mods,
    paths,
)
spans = st.builds(
    lambda span, path: Revision(None, None, None, None, EMPTY, None, (), path, span),
    st.text("0123456789abcdef", min_size=6, max_size=64),
    paths,
)


@given(refs | spans)
def test_parse_undoes_format(revision):
    text = grammar.format(revision)
    assert grammar.parse(text) == revision
    assert parse_slowly(text) == revision


@given(st.text("ab1@=,#~^{}%/:.-T*é\n ", max_size=30) | st.text(max_size=30))
def test_any_text_is_a_revision_or_a_typed_error(text):
    try:
        revision = grammar.parse(text)
    except RefSyntax as fault:
        assert fault.text == text
        assert 0 <= fault.position <= len(text)
        with pytest.raises(type(fault)):
            parse_slowly(text)
    else:
        assert parse_slowly(text) == revision
        assert grammar.parse(grammar.format(revision)) == revision


def test_every_part():
    revision = grammar.parse(
        "origin:shop/prod/scores@b=2,time=2024-05,a=1%2C#v1.2~2^3@{2024-05-01}@{4}~^//dir/file.csv"
    )
    assert revision == Revision(
        "origin",
        "shop",
        "prod",
        "scores",
        Partition((("a", "1,"), ("b", "2")), "2024-05"),
        "v1.2",
        (Back(2), Input(3), At(MAY_2024), Was(4), Back(1), Input(1)),
        "dir/file.csv",
        None,
    )
    assert grammar.parse("%ABCDEF012345//loss").span == "abcdef012345"
    assert grammar.parse("%abcdef012345//loss").path == "loss"


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("a@{2024-05}", MAY_2024),
        ("a@{2024-05-01T00}", MAY_2024),
        ("a@{2024-05-01 02:00+02:00}", MAY_2024),
        ("a@{2024-05-01T00:00:00.5Z}", MAY_2024 + 500_000),
        ("a@{2024-04-30T22:30-01:30}", MAY_2024),
    ],
)
def test_dates(text, time):
    assert grammar.parse(text).mods == (At(time),)


def test_bare_names_could_be_ids():
    assert grammar.parse("abc123").id_prefix == "abc123"
    assert grammar.parse("ABC123//x").id_prefix == "abc123"
    assert grammar.parse("flights").is_bare
    assert grammar.parse("flights").id_prefix is None
    for text in ("abc123#x", "abc123~1", "abc123@k=v", "p/d/abc123", "o:abc123", "%abc123"):
        assert not grammar.parse(text).is_bare
        assert grammar.parse(text).id_prefix is None


@pytest.mark.parametrize(
    ("text", "position", "hint"),
    [
        ("model@prod", 6, "did you mean model#prod?"),
        ("p/d/model@prod~1", 10, "did you mean model#prod?"),
        ("model@", 6, "key=value"),
        ("model@k=", 8, None),
        ("model@k=1,prod", 10, "key=value"),
        ("model@k=1,k=2", 10, None),
        ("model@time=2024,k=2", 11, "2024-05"),
        ("model@time=2024-05,time=2024-05", 19, None),
        ("model@k=a%zz", 9, "%25"),
        ("model@K/x=1", 7, None),
        ("model#", 6, "letters"),
        ("model#v1@k=1", 8, "name@key=value#version"),
        ("model#v1#v2", 8, None),
        ("model@{soon}", 7, "2024-05-01"),
        ("model@{2024-02-30}", 7, "2024-05-01"),
        ("model@{1969-12-31}", 7, "2024-05-01"),
        ("model~1234567890", 5, None),
        ("model^0", 5, None),
        ("model~1x", 7, None),
        ("a/model", 0, None),
        ("a/b/c/model", 0, None),
        ("remotes/b/model", 0, None),
        ("s3://bucket/x", 0, "cas remote add"),
        (":model", 0, None),
        ("model//a/../b", 9, None),
        ("model//", 7, None),
        ("%abc", 1, "cas span list"),
        ("%abcdef~1", 1, None),
        ("", 0, None),
        ("mo\ndel", 2, None),
        ("model@" + ",".join(f"k{n}=1" for n in range(11)), 56, None),
    ],
)
def test_faults_are_told_where_they_are(text, position, hint):
    with pytest.raises(RefSyntax) as caught:
        grammar.parse(text)
    assert (caught.value.text, caught.value.position) == (text, position)
    if hint is not None:
        assert hint in caught.value.hint


@pytest.mark.parametrize("text", ["a" * 300_000, "a@k=" + "%41" * 100_000, "a" + "~" * 5000, "a" + "@{1}" * 5000])
def test_overlong_refs_are_refused(text):
    with pytest.raises(RefSyntax):
        grammar.parse(text)


def test_only_light_modules_are_loaded():
    code = "import sys, cas.refs.grammar, cas.refs.entries; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"tomli", "pyarrow", "dataclasses", "datetime", "unicodedata", "blake3", "cas.refs.parsing"} & set(
        loaded
    )
