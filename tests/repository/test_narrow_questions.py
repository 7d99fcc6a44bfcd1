"""Versions, aliases and steps back are found without the whole history, and are what the whole history says."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cas
from cas.errors import CasError
from cas.refs.history import History
from cas.refs.names import Name
from cas.refs.partitions import Partition

VERSIONS = ["v1", "v2", "v3"]
STEPS = st.one_of(
    st.tuples(st.just("put"), st.integers(0, 2), st.sampled_from([None, *VERSIONS])),
    st.tuples(st.just("alias"), st.sampled_from(VERSIONS), st.sampled_from(["prod", "test"])),
    st.tuples(st.just("delete"), st.sampled_from(["#v1", "#v2", "#prod", ""])),
)


def do(repo: cas.Repository, step: tuple[object, ...]) -> None:
    try:
        if step[0] == "put":
            repo.put(step[1], "name@k=a", version=step[2])
        elif step[0] == "alias":
            repo.alias(f"name@k=a#{step[1]}", step[2])
        else:
            repo.delete(f"name@k=a{step[1]}")
    except CasError:
        pass  # a version that is taken, a name that is not there


def told(question: object) -> object:
    try:
        version = question()
    except CasError as error:
        return error.kind
    return None if version is None else getattr(version, "artifact", None) or version.id


@settings(max_examples=60)
@given(st.lists(STEPS, max_size=14))
def test_what_is_asked_narrowly_is_what_the_history_says(steps: list[tuple[object, ...]]) -> None:
    with tempfile.TemporaryDirectory() as home, cas.init(Path(home)) as repo:
        repo.put("elsewhere", "name@k=b", version="v1")
        for step in steps:
            do(repo, step)
        repo.catalog.catch_up(repo.log_of("default", "main"))
        number = repo.catalog.refs.ref_number(Name("default", "main", "name"), Partition.of({"k": "a"}))
        history = History(repo.catalog.refs.entries(number) if number is not None else ())

        def aliased(alias: str) -> object:
            at = history.alias(alias)
            return None if at is None else history.version(at.version)

        for asked, wanted in (
            *((version, lambda version=version: history.version(version)) for version in VERSIONS),
            *((alias, lambda alias=alias: aliased(alias)) for alias in ("prod", "test")),
        ):
            found = told(lambda asked=asked: repo.resolve(f"name@k=a#{asked}"))
            expected = told(wanted)
            assert found == ("ref_not_found" if expected is None else expected)
        for back in range(5):
            found = told(lambda back=back: repo.resolve(f"name@k=a~{back}"))
            expected = told(lambda back=back: history.back(back))
            assert found == ("ref_not_found" if expected is None else expected)


@pytest.mark.parametrize("wide", [False, True])
def test_a_version_that_many_partitions_have(
    repository: cas.Repository, monkeypatch: pytest.MonkeyPatch, wide: bool
) -> None:
    monkeypatch.setattr("cas.catalog.refs._WIDE", 3 if wide else 1000)
    repository.put_many([(number, f"part@n={number},m={number % 2}#v1") for number in range(6)])
    repository.put(7, "part@n=1,m=1", version="only")
    repository.put(8, "other", version="v1")
    assert repository.get("part@n=3,m=1#v1") == 3
    assert repository.get("part@n=4#v1") == 4
    assert repository.get("part#only") == repository.get("part@m=1#only") == 7
    assert repository.get("other#v1") == 8
    with pytest.raises(cas.errors.AmbiguousRef) as caught:
        repository.get("part@m=0#v1")
    assert len(caught.value.candidates) == 3
    with pytest.raises(cas.errors.AmbiguousRef):
        repository.get("part#v1")
