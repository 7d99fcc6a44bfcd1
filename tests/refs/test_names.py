import pytest
from hypothesis import given
from hypothesis import strategies as st

from cas.errors import InvalidRefName
from cas.refs.names import (
    RESERVED_KEYS,
    check_alias,
    check_declared_keys,
    check_domain,
    check_name,
    check_project,
    check_remote,
    check_version,
    collision_key,
    looks_like_id,
)

GOOD = [
    "a",
    "ride_scores",
    "v1.2",
    "Fahrzeit-Zürich",
    "x+y",
    "a b",
    "日本",
    "console",
    "auxiliary",
    "lock",
    "m²",
    "_",
    "7",
]
BAD = [
    "", "..", "a..b", "/a", "a/b", "a\0b", "a\nb", "a\x7fb", "a\x85b", "a\\b", "a:b", "a~b", "a@b", "a#b", "a^b", "a,b",
    "a=b", "a%b", "a*", "a?", "a[", "a{", "-a", " a", "a.", "a ", ".", "x" * 129, "é" * 65, "CON", "con", "aux.txt",
    "Nul", "com1", "LPT9.tar.gz", "COM¹", "con .txt", "x.lock", "X.LOCK", "e\u0301", "a\u200bb", "a\u202eb",
    "\ud800", "a\u2028b", "\u00a0a", "\ufeffa",
]  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_good_names_are_returned_as_they_are(name):
    for check in (check_name, check_version, check_alias, check_project, check_domain, check_remote):
        assert check(name) == name


@pytest.mark.parametrize("name", BAD)
def test_hostile_names_are_refused_everywhere(name):
    for check in (check_name, check_version, check_alias, check_project, check_domain, check_remote):
        with pytest.raises(InvalidRefName) as caught:
            check(name)
        assert caught.value.kind == "invalid_ref_name"
        assert caught.value.text == name
        assert not set(caught.value.message) & set("\0\n\x7f\u202e")


def test_what_is_not_text_is_refused():
    for value in (None, 3, b"a", ["a"]):
        with pytest.raises(InvalidRefName, match="not text"):
            check_name(value)


@pytest.mark.parametrize("name", [".hidden", "a<b", 'a"b', "a|b"])
def test_directories_are_stricter_than_names(name):
    assert check_name(name) == name
    for check in (check_project, check_domain, check_remote):
        with pytest.raises(InvalidRefName, match="directory"):
            check(name)


def test_the_directory_of_remotes_is_no_project():
    for name in ("remotes", "Remotes"):
        with pytest.raises(InvalidRefName, match="remotes"):
            check_project(name)
        assert check_domain(name) == name


def test_an_alias_is_never_taken_for_an_id():
    for alias in ("abcdef", "ABCDEF", "0" * 64, "facade1"[:6]):
        assert looks_like_id(alias)
        with pytest.raises(InvalidRefName, match="id"):
            check_alias(alias)
        assert check_version(alias) == alias
    assert check_alias("abcde") == "abcde"
    assert check_alias("0" * 65) == "0" * 65


def test_declared_keys():
    assert check_declared_keys(("a", "b")) == ("a", "b")
    assert len(check_declared_keys(tuple("abcdefghij"))) == 10
    for keys in (tuple("abcdefghijk"), ("a", "a"), ("a b/",), *((key,) for key in RESERVED_KEYS)):
        with pytest.raises(InvalidRefName):
            check_declared_keys(keys)


def test_collision_keys_join_twins_and_nothing_else():
    assert collision_key("Flights") == collision_key("flights")
    assert collision_key("STRASSE") == collision_key("straße")
    assert collision_key("É") == collision_key("e\u0301")
    assert collision_key("flights") != collision_key("flight")
    assert collision_key("m²") != collision_key("m2")


@given(st.text(max_size=140))
def test_any_text_passes_or_is_refused_with_a_place(text):
    try:
        assert check_name(text) == text
    except InvalidRefName as fault:
        assert 0 <= fault.position <= len(text)
    else:
        assert 0 < len(text.encode()) <= 128
        assert not set(text) & set("\\:~@/#^,=%*?[{")
        assert ".." not in text
