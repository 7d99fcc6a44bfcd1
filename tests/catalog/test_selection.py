"""Partitions chosen by lists and ranges: the same as by looking at each."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cas.catalog import selection
from cas.catalog.selection import TimeRange
from cas.refs.names import Name
from cas.refs.partitions import Partition
from cas.repository import Repository, init

NAME = Name("default", "main", "x")
REGIONS = ["BSL", "GVA", "ZRH", "a,b", "ü"]
DAYS = ["2024-01-31", "2024-02-01", "2024-02-29", "2024-12-31"]
ALL = [Partition.of({"region": region, "n": str(n)}, day) for region in REGIONS for n in (1, 2) for day in DAYS]


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    path: Path = tmp_path_factory.mktemp("repo")
    repository = init(path)
    repository.put_many([(n, f"x@{partition.text}") for n, partition in enumerate(ALL)])
    repository.put(1, "other@region=ZRH")
    repository.delete(f"x@{ALL[0].text}")
    repository.resolve("x")
    yield repository
    repository.close()


regions = st.none() | st.lists(st.sampled_from([*REGIONS, "none"]), min_size=1, max_size=3)
ends = st.none() | st.sampled_from([*DAYS, "2024", "2024-02"])
times = st.none() | st.lists(st.sampled_from(DAYS), min_size=1, max_size=2) | st.builds(TimeRange, ends, ends)


def fits(partition, region, time):
    if region is not None and dict(partition.keys)["region"] not in region:
        return False
    if isinstance(time, TimeRange):
        return time.holds(partition.time)
    return time is None or partition.time in time


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(regions, times, st.none() | st.sampled_from(ALL), st.none() | st.integers(0, 5))
def test_chosen_as_by_hand(repo, region, time, after, limit):
    keys = {} if region is None else {"region": region}
    past = None if after is None else after.text
    found = selection.choose(repo.catalog.database.connection, NAME, keys, time, after=past, limit=limit)
    wanted = sorted(one.text for one in ALL[1:] if fits(one, region, time) and (past is None or one.text > past))
    assert found == wanted[:limit]
    regions_there = selection.values(repo.catalog.database.connection, NAME, "region", keys, time)
    assert regions_there == sorted({dict(one.keys)["region"] for one in ALL[1:] if fits(one, region, time)})


def test_newest_first(repo):
    found = selection.choose(repo.catalog.database.connection, NAME, {"region": ["ZRH", "BSL"]}, newest_first=True)
    assert found[0] == next(one.text for one in reversed(ALL) if dict(one.keys)["region"] in ("ZRH", "BSL"))


def test_an_unknown_name_has_none(repo):
    connection = repo.catalog.database.connection
    assert selection.choose(connection, Name("default", "main", "nope"), {}) == []
    assert selection.values(connection, Name("default", "main", "nope"), "region", {}) == []
