import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cas.errors import AliasConflict, InvalidRefName, RefConflict, VersionConflict
from cas.refs.entries import AliasEntry, DeleteEntry, VersionEntry, order
from cas.refs.history import History, choose_version
from cas.refs.partitions import EMPTY

A, B, C = "a" * 64, "b" * 64, "c" * 64


def write(number):
    return f"{number:032x}"


def put(stamp, version, literal=A, *, by=0):
    return VersionEntry("n", EMPTY, version, literal, literal, None, stamp, write(stamp * 1000 + by))


def point(stamp, alias, version, replaces=(), *, by=0):
    return AliasEntry("n", EMPTY, alias, version, tuple(replaces), stamp, write(stamp * 1000 + by))


def drop(stamp, *, version=None, alias=None):
    return DeleteEntry("n", EMPTY, version, alias, stamp, write(stamp * 1000))


def test_an_empty_history_points_nowhere():
    history = History([])
    assert (history.tip, history.versions, history.aliases, history.moves) == (None, (), {}, ())
    assert history.back(0) is history.was(0) is history.version("v") is history.alias("a") is history.used("v") is None


def test_the_tip_is_the_greatest_and_steps_count_distinct_neighbours():
    one, two, again, three, back = put(1, "v1"), put(2, "v2", B), put(3, "v2", B), put(4, "v3", C), put(5, "v1")
    history = History([three, back, one, again, two])
    assert history.tip == back
    assert history.versions == (back, three, again, one)
    assert [history.back(steps) for steps in range(5)] == [back, three, again, one, None]
    assert history.back(1, again) == history.back(1, two) == one
    assert history.back(1, three) == again
    assert history.back(0, two) == two
    assert history.back(1, one) is None
    assert history.back(-1) is None


def test_ties_go_by_write_id():
    one, two = put(1, "v1", A, by=1), put(1, "v2", B, by=2)
    assert History([two, one]).tip == two == History([one, two]).tip


def test_moves_count_publications_and_deletions_of_the_tip():
    one, two, same, three = put(1, "v1"), put(2, "v2", B), put(4, "v2", B), put(7, "v3", C)
    history = History([one, two, drop(3, version="v1"), same, drop(5, version="v2"), drop(6), three])
    assert history.moves == (one, two, same, None, three)
    assert [history.was(moves) for moves in range(6)] == [three, None, same, two, one, None]
    fallen = History([one, two, drop(3, version="v2")])
    assert fallen.moves == (one, two, one)


def test_time_travel_sees_what_was_deleted_since():
    one, two = put(1, "v1"), put(2, "v2", B)
    history = History([one, two, drop(3), point(2, "prod", "v1", by=1)])
    assert history.tip is None
    assert history.alias("prod") is None
    assert history.at(2).tip == two
    assert history.at(2).alias("prod").version == "v1"
    assert history.at(1).tip == one
    assert history.at(0).tip is None


def test_tombstones_end_what_came_before_them():
    one, two, again = put(1, "v1"), put(2, "v2", B), put(4, "v1")
    assert History([one, two, drop(3)]).versions == ()
    assert History([one, two, drop(3), again]).versions == (again,)
    assert History([one, two, drop(3, version="v1")]).versions == (two,)
    assert History([one, two, drop(3, version="v1")]).version("v1") is None
    assert History([one, two, drop(3, version="v1"), again]).version("v1") == again
    assert History([one, drop(3, alias="x")]).tip == one


def test_a_version_with_two_literals_is_a_conflict_until_deleted():
    one, other, next_one = put(1, "v1", A), put(2, "v1", B), put(4, "v2", B)
    history = History([other, one])
    with pytest.raises(VersionConflict) as caught:
        history.version("v1")
    assert isinstance(caught.value, RefConflict)
    assert caught.value.candidates == (A, B)
    assert history.tip == other
    assert History([other, one, drop(3, version="v1"), next_one]).versions == (next_one,)


def test_an_alias_is_at_its_heads():
    first = point(1, "prod", "v1")
    second = point(2, "prod", "v2", [first.write])
    assert History([second, first]).alias("prod") == second
    assert History([second, first]).aliases == {"prod": (second,)}
    left = point(3, "prod", "v3", [second.write], by=1)
    right = point(3, "prod", "v4", [second.write], by=2)
    conflict = History([right, first, left, second])
    assert conflict.heads("prod") == (left, right)
    with pytest.raises(AliasConflict) as caught:
        conflict.alias("prod")
    assert caught.value.candidates == ("v3", "v4")
    settled = point(4, "prod", "v4", [head.write for head in conflict.heads("prod")])
    assert History([settled, *conflict.entries]).alias("prod") == settled


def test_heads_at_the_same_version_agree():
    left, right = point(1, "prod", "v1", by=1), point(1, "prod", "v1", by=2)
    assert History([left, right]).alias("prod") == right


def test_a_deleted_alias_is_gone_and_may_come_back():
    first = point(1, "prod", "v1")
    assert History([first, drop(2, alias="prod")]).aliases == {}
    again = point(3, "prod", "v2")
    assert History([first, drop(2, alias="prod"), again, drop(2, alias="other")]).alias("prod") == again


def test_forged_replacements_hide_nothing():
    one, two = point(1, "prod", "v1", [write(2000)]), point(2, "prod", "v2", [write(1000), write(2000)])
    assert History([one, two]).alias("prod") == two
    stranger = point(3, "other", "v1", [two.write])
    assert History([one, two, stranger]).alias("prod") == two


def test_publishing_chooses_the_version():
    assert choose_version(History([]), A) == A[:12]
    history = History([put(1, "v1", A), put(2, "v2", B)])
    assert choose_version(history, B) == "v2"
    assert choose_version(history, A) == A[:12]
    assert choose_version(history, A, "v1") == "v1"
    assert choose_version(history, C, "v3") == "v3"
    with pytest.raises(VersionConflict, match="taken"):
        choose_version(history, B, "v1")
    with pytest.raises(VersionConflict):
        choose_version(History([put(1, "v1", A), drop(2)]), B, "v1")
    with pytest.raises(InvalidRefName):
        choose_version(history, A, "a/b")


# --- properties --------------------------------------------------------------------------------------

places = st.tuples(st.integers(1, 8), st.integers(0, 3))
versions = st.sampled_from(["v1", "v2", "v3"])
aliases = st.sampled_from(["x", "y"])
literals = st.sampled_from([A, B, C])
writes = places.map(lambda place: write(place[0] * 1000 + place[1]))
entries = st.lists(
    st.one_of(
        st.builds(
            lambda place, version, literal: put(place[0], version, literal, by=place[1]), places, versions, literals
        ),
        st.builds(
            lambda place, alias, version, replaces: point(place[0], alias, version, replaces, by=place[1]),
            places,
            aliases,
            versions,
            st.lists(writes, max_size=2),
        ),
        st.builds(lambda stamp, version: drop(stamp, version=version), st.integers(1, 8), versions),
        st.builds(lambda stamp, alias: drop(stamp, alias=alias), st.integers(1, 8), aliases),
        st.builds(drop, st.integers(1, 8)),
    ),
    max_size=12,
)


def answers(history):
    heads = {alias: history.heads(alias) for alias in ("x", "y")}
    return history.tip, history.versions, history.moves, history.aliases, heads


@given(entries, entries, st.randoms(use_true_random=False))
def test_logs_merged_in_any_order_agree(ours, theirs, chance):
    one, other = [*ours, *theirs], [*theirs, *ours, *random.Random(0).sample(ours, len(ours) // 2)]
    chance.shuffle(other)
    assert answers(History(one)) == answers(History(other))


def replayed(entries):
    """The same rules as a plain dict goes through them, one entry after the other."""
    published, pointers, replaced = [], {}, {}
    for entry in sorted(set(entries), key=lambda entry: (order(entry), repr(entry))):
        if isinstance(entry, VersionEntry):
            published.append(entry)
        elif isinstance(entry, AliasEntry):
            pointers.setdefault(entry.alias, []).append(entry)
            gone = replaced.setdefault(entry.alias, set())
            gone.update(set(entry.replaces) - {entry.write})
            pointers[entry.alias] = [
                one for one in pointers[entry.alias] if one.write not in entry.replaces or one is entry
            ]
        elif entry.version is not None:
            published = [one for one in published if one.version != entry.version]
        elif entry.alias is not None:
            pointers.pop(entry.alias, None)
        else:
            published, pointers = [], {}
    return published, {alias: tuple(heads) for alias, heads in pointers.items() if heads}


def one_write_each(found):
    return list({entry.write: entry for entry in found}.values())


@given(entries)
def test_the_rules_are_those_of_a_dict(found):
    found = one_write_each(found)
    published, pointers = replayed(found)
    history = History(found)
    assert list(history.live) == published
    assert history.tip == (published[-1] if published else None)
    assert history.aliases == dict(sorted(pointers.items()))


@given(entries, st.integers(0, 9))
def test_the_past_is_the_history_of_the_entries_then(found, stamp):
    found = one_write_each(found)
    assert answers(History(found).at(stamp)) == answers(History([one for one in found if one.stamp <= stamp]))
    assert History(found).was(0) == History(found).tip
    distinct = History(found).versions
    assert all(newer.literal != older.literal for newer, older in pairwise(distinct))
