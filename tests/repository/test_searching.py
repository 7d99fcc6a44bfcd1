"""Artifacts by whatever names them, and searches."""

from datetime import date, datetime

import pytest

from cas.errors import RefNotFound, RefSyntax, UsageError
from cas.flows import Artifact
from cas.repository import Repository

RIDES = Artifact(name="rides", partition_keys=["region"], time_partitioned=True)


@pytest.fixture
def rides(repository: Repository) -> Repository:
    for region in ("EWR", "JFK"):
        for day in ("2024-01-31", "2024-02-01"):
            repository.put(f"{region} {day}", f"rides@region={region},time={day}", metadata={"region": region})
    repository.put(5, "other/prod/rides@region=EWR")
    repository.put({"x": 1}, "rates")
    return repository


def values(found: list) -> list[object]:
    return [one.get() for one in found]


def test_get_artifact(rides: Repository) -> None:
    version = rides.resolve("rides@region=EWR,time=2024-01-31")
    address = f"flyte://av0.1/default/main/rides@{version.version}?region=EWR&time_partition=2024-01-31"
    for what in (version, version.ref, version.id, address, RIDES.query(region="EWR", time="2024-01-31")):
        assert rides.get_artifact(what) == version
    assert rides.get_artifact(RIDES).get() == "JFK 2024-02-01"
    assert rides.get(address) == "EWR 2024-01-31"
    assert version.uri == address

    class Declared(Artifact[str]):
        name = "rates"

    assert rides.get_artifact(Declared).get() == {"x": 1}
    with pytest.raises(UsageError, match="5 names no artifact"):
        rides.get_artifact(5)
    with pytest.raises(RefNotFound):
        rides.get_artifact(RIDES.query(region="LGA"))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, [{"x": 1}, "JFK 2024-02-01", "JFK 2024-01-31", "EWR 2024-02-01", "EWR 2024-01-31"]),
        ({"what": "ri*", "limit": 1}, ["JFK 2024-02-01"]),
        ({"partitions": {"region": "E*"}}, ["EWR 2024-02-01", "EWR 2024-01-31"]),
        ({"partitions": {"region": ["JFK", "LGA"]}, "time": "2024-02"}, ["JFK 2024-02-01"]),
        ({"partitions": {"region": "*"}, "time": date(2024, 1, 31)}, ["JFK 2024-01-31", "EWR 2024-01-31"]),
        ({"time": (None, datetime(2024, 1, 31)), "partitions": {"region": "EWR"}}, ["EWR 2024-01-31"]),
        ({"time": ["2024-02-01"]}, ["JFK 2024-02-01", "EWR 2024-02-01"]),
        ({"partitions": {"region": "Z*"}}, []),
        ({"project": "other", "domain": "prod"}, [5]),
        ({"what": "*/*/rides", "limit": 1}, [5]),
        ({"type": "dict"}, [{"x": 1}]),
        ({"metadata": {"region": "EWR"}}, ["EWR 2024-02-01", "EWR 2024-01-31"]),
        ({"what": RIDES.query(region="EWR")}, ["EWR 2024-02-01", "EWR 2024-01-31"]),
        ({"what": RIDES, "limit": 1}, ["JFK 2024-02-01"]),
    ],
)
def test_search(rides: Repository, asked: dict, expected: list[object]) -> None:
    assert values(rides.search(**asked)) == expected
    assert values(rides.at("@{0}").search(**asked)) == expected


def test_what_cannot_be_searched(rides: Repository) -> None:
    with pytest.raises(UsageError, match="cannot be searched for"):
        rides.search(5)
    with pytest.raises(UsageError, match="says its own"):
        rides.search(RIDES, time="2024")
    with pytest.raises(UsageError, match="two ends"):
        rides.search(time=("2024",))


def test_find_by_pattern(rides: Repository) -> None:
    assert values(rides.find("rides@region=EWR")) == ["EWR 2024-02-01", "EWR 2024-01-31"]
    assert values(rides.find("r*@region=[DE]*,time=2024-01*")) == ["EWR 2024-01-31"]
    assert values(rides.find("rides@region=E*", time="2024-02-01")) == ["EWR 2024-02-01"]
    assert values(rides.find("*/*/rides@region=EWR", limit=1)) == [5]
    assert rides.find("rides@region=nowhere") == rides.find("rides@other=x") == []
    assert [info.name for info in rides.names("*/prod/*")] == ["other/prod/rides"]
    for text in ("rides#v1", "rides@prod", "a/b"):
        with pytest.raises(RefSyntax):
            rides.find(text)
