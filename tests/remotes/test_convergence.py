"""Repositories that exchange in any order agree on every ref, and with the pure rules of one history of all entries."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cas
from cas.errors import AliasConflict, NotFound, RefConflict, VersionConflict
from cas.refs.history import History
from cas.refs.partitions import Partition

PEOPLE = 3
STEPS = st.one_of(
    st.tuples(st.just("put"), st.integers(0, PEOPLE - 1), st.sampled_from("xy"), st.integers(0, 3)),
    st.tuples(st.just("name"), st.integers(0, PEOPLE - 1), st.sampled_from("xy"), st.integers(0, 3)),
    st.tuples(st.just("alias"), st.integers(0, PEOPLE - 1), st.sampled_from("xy"), st.integers(0, 3)),
    st.tuples(st.just("delete"), st.integers(0, PEOPLE - 1), st.sampled_from("xy"), st.integers(0, 1)),
    st.tuples(st.sampled_from(["push", "pull"]), st.integers(0, PEOPLE - 1), st.just("x"), st.integers(0, 1)),
)


@settings(max_examples=10)
@given(steps=st.lists(STEPS, max_size=25), skews=st.lists(st.integers(-3_000, 3_000), min_size=PEOPLE, max_size=PEOPLE))
def test_all_agree(steps: list[tuple[str, int, str, int]], skews: list[int]) -> None:
    memory = Path("/dev/shm")  # thousands of files, each made durable
    room = Path(tempfile.mkdtemp(prefix="cas-convergence-", dir=memory if memory.is_dir() else None))
    try:
        _run(room, steps, skews)
    finally:
        shutil.rmtree(room)


def _run(room: Path, steps: list[tuple[str, int, str, int]], skews: list[int]) -> None:
    ticks = iter(range(1_700_000_000_000_000, 1_800_000_000_000_000, 1_000))
    people = []
    for number, skew in enumerate(skews):
        one = cas.init(room / str(number), now=lambda skew=skew: next(ticks) + skew)
        one.remotes.add("a", str(room / "hub-a"))
        one.remotes.add("b", str(room / "hub-b"))
        people.append(one)
    for verb, who, name, number in steps:
        _step(people[who], verb, name, number)
    for _ in range(2):
        for one in people:
            for hub in ("a", "b"):
                one.push(hub)
                one.pull(hub)
    for one in people:
        for hub in ("a", "b"):
            one.pull(hub)
            one.push(hub)
    entries = [
        {entry for segment in one.log_of("default", "main").after(0) for entry in segment.entries} for one in people
    ]
    assert entries[0] == entries[1] == entries[2]
    for one in people:
        counted = [entry.write for segment in one.log_of("default", "main").after(0) for entry in segment.entries]
        assert len(counted) == len(set(counted))  # each exactly once
    for name in "xy":
        model = History(entry for entry in entries[0] if getattr(entry, "name", None) == name)
        for one in people:
            _agrees(one, name, model)
    for one in people:
        assert one.fsck().ok
        one.close()


def _step(one: cas.Repository, verb: str, name: str, number: int) -> None:
    try:
        if verb == "put":
            one.put(number, name)
        elif verb == "name":
            one.put(number, name, version=f"v{number % 2}")
        elif verb == "alias":
            one.alias(f"{name}~{number % 2}", "prod")
        elif verb == "delete":
            one.delete(name if number else f"{name}#v0")
        else:
            getattr(one, verb)("ab"[number])
    except (NotFound, RefConflict):
        pass


def _agrees(one: cas.Repository, name: str, model: History) -> None:
    if model.tip is None:
        with pytest.raises(NotFound):
            one.resolve(name)
    else:
        found = one.resolve(name)
        assert (found.version, found.id) == (model.tip.version, model.tip.artifact)
        assert one.get(name) in range(4)
        assert [one.version for one in one.log(name)] == [entry.version for entry in model.versions]
    for selector in ("v0", "v1", "prod"):
        try:
            entry = model.version(selector) if selector != "prod" else model.alias(selector)
            due = None if entry is None or model.tip is None else entry.version
        except (VersionConflict, AliasConflict):
            due = "conflict"
        try:
            got: str | None = one.resolve(f"{name}#{selector}").version
        except RefConflict:
            got = "conflict"
        except NotFound:
            got = None
        if selector == "prod" and due not in (None, "conflict"):
            try:
                due = due if model.version(due) else None
            except VersionConflict:
                due = "conflict"
        assert got == due, (name, selector)
    assert Partition((), None).text == ""
