"""Queries against a repository: as defaults of parameters, and asked at once."""

from datetime import date, datetime, timedelta
from typing import Annotated, Optional

import pytest

from cas.errors import PartitionError, RefNotFound
from cas.flows import Artifact, Granularity, Inputs, task, workflow

RIDES = Artifact[int](name="rides", partition_keys=["region"], time_partitioned=True)
MODEL = Artifact(name="model", partition_keys=["region"])
MONTHLY = Artifact(
    name="monthly", partition_keys=["region"], time_partitioned=True, time_partition_granularity=Granularity.MONTH
)


@task
def count(region: str, day: date, n: int) -> Annotated[int, RIDES(region=Inputs.region, time_partition=Inputs.day)]:
    return n


@task
def read(region: str, kickoff: datetime, x: int = RIDES.query(region=Inputs.region, time=Inputs.kickoff)) -> int:
    return x


@pytest.fixture
def rides(repo):
    for n, (region, day) in enumerate([("ZRH", 1), ("ZRH", 2), ("BSL", 1), ("BSL", 3), ("GVA", 2)]):
        count(region, date(2024, 5, day), n)
    return repo


def inputs(repo, label):
    (span,) = repo.spans(label=label)
    return {link.name: link for link in repo.inputs(span.id)}


def test_a_query_default_is_resolved_at_call_time(rides):
    assert read("ZRH", datetime(2024, 5, 2, 17)) == 1
    given = inputs(rides, "read")
    assert given["x"].artifact == rides.resolve("rides@region=ZRH,time=2024-05-02").id
    assert given["x"].asked == "rides@region=ZRH,time=2024-05-02"
    assert list(given) == ["region", "kickoff", "x"]


def test_a_value_given_by_the_caller_overrides_it(rides):
    assert read("ZRH", datetime(2024, 5, 2), 99) == 99
    assert inputs(rides, "read")["x"].artifact is None


def test_the_newest_that_contains_the_query_wins(rides):
    @task
    def newest(region: str, x: int = RIDES.query(region=Inputs.region)) -> int:
        return x

    assert newest("BSL") == 3
    count("BSL", date(2024, 5, 1), 100)
    assert newest("BSL") == 100


def test_strict_queries_want_the_exact_partition(rides):
    @task
    def exact(x: int = RIDES.query(region="BSL", strict=True)) -> int:
        return x

    nothing = r"exact\(x=…\): no artifact matches rides\.query\(region='BSL', strict=True\)"
    with pytest.raises(RefNotFound, match=nothing):
        exact()


def test_a_time_before_is_looked_for(rides):
    @task
    def before(day: date, x: int = RIDES.query(region="BSL", time=Inputs.day - timedelta(days=2))) -> int:
        return x

    assert before(date(2024, 5, 3)) == 2


def test_none_where_it_is_allowed(rides):
    @task
    def may(x: Optional[int] = RIDES.query(region="LUG")) -> int | None:  # noqa: UP045 - both spellings work
        return x

    assert may() is None


def test_bare_declarations_and_pinned_ones(rides):
    rides.put(5, "model@region=ZRH", version="v1")
    rides.put(6, "model@region=ZRH", version="v2")
    pinned = Artifact(name="model", partition_keys=["region"], version="v1")

    @task
    def use(new: int = MODEL, old: int = pinned, exact: int = rides.resolve("model#v1")) -> list[int]:
        return [new, old, exact]

    assert use() == [6, 5, 5]
    assert use(old=MODEL, exact=7) == [6, 6, 7]


def test_a_query_may_refer_to_the_artifact_of_another_parameter(rides):
    rides.put("zurich", "monthly@region=ZRH,time=2024-05")

    @task
    def joined(
        day: date,
        month: str = MONTHLY.query(region=RIDES.partitions.region, time=RIDES.time_partition),
        rides_of_day: int = RIDES.query(region="ZRH", time=Inputs.day),
    ) -> tuple[str, int]:
        return month, rides_of_day

    assert joined(date(2024, 5, 2)) == ("zurich", 1)
    # Whoever gives the other parameter a version, or what a task of this run made, has said which partition.
    assert joined(date(2024, 5, 2), rides_of_day=rides.resolve("rides@region=ZRH,time=2024-05-02")) == ("zurich", 1)

    @task
    def made() -> Annotated[int, RIDES(region="ZRH", time_partition=date(2024, 5, 9))]:
        return 77

    @workflow
    def flow() -> tuple[str, int]:
        return joined(date(2024, 5, 2), rides_of_day=made())

    assert flow() == ("zurich", 77)
    with pytest.raises(PartitionError, match=r"needs rides\.partitions\.region, which is not known here"):
        joined(date(2024, 5, 2), rides_of_day=5)


def test_a_list_and_a_range_find_the_newest(rides):
    @task
    def either(x: int = RIDES.query(region=["ZRH", "BSL"], time=("2024-05-01", "2024-05-02"))) -> int:
        return x

    assert either() == 2
    link = inputs(rides, "either")["x"]
    assert link.asked == "rides.query(region=['ZRH', 'BSL'], time=('2024-05-01', '2024-05-02'))"
    assert link.ref.startswith("rides@region=BSL,time=2024-05-01#")


def test_a_workflow_hands_what_it_resolved_to_its_tasks(rides):
    @task
    def double(x: int) -> Annotated[int, MODEL(region="all")]:
        return 2 * x

    @workflow
    def flow(region: str, x: int = RIDES.query(region=Inputs.region)) -> int:
        return double(x)

    assert flow("GVA") == 8
    assert inputs(rides, "double")["x"].artifact == rides.resolve("rides@region=GVA").id


def test_what_a_workflow_made_so_far_is_found(repo):
    @task
    def use(x: int = RIDES.query(region="ZRH"), y: int = RIDES.query(region=["ZRH", "BSL"])) -> list[int]:
        return [x, y]

    with repo.span("around", atomic=True):
        count("ZRH", date(2024, 5, 1), 42)
        assert use() == [42, 42]
        assert RIDES.partition_values("region") == ["ZRH"]


def test_asking_at_once(rides):
    assert RIDES.query(region="BSL").get() == 3
    assert RIDES.query(region="BSL").latest().ref.startswith("rides@region=BSL,time=2024-05-03#")
    assert RIDES.query(region="LUG").latest() is None
    with pytest.raises(RefNotFound, match="no artifact matches") as told:
        RIDES.query(region="LUG").get()
    assert told.value.hint == "see what is there: cas ls rides"
    with pytest.raises(RefNotFound) as told:
        MODEL.query().get()
    assert "nothing is published as 'model'" in told.value.hint


def test_asking_inside_a_span_is_an_input(rides):
    with rides.span("look") as span:
        RIDES.query(region="BSL").get()
    (link,) = rides.inputs(span.id)
    assert (link.asked, link.name) == ("rides@region=BSL", None)


def test_latest_per_partition_in_order_and_in_pages(rides):
    def shown(found):
        return [(one.partitions["region"], one.time[-2:]) for one in found]

    every = [("BSL", "01"), ("BSL", "03"), ("GVA", "02"), ("ZRH", "01"), ("ZRH", "02")]
    assert shown(RIDES.latest_per_partition()) == every
    page = RIDES.latest_per_partition(limit=2)
    assert shown(page) == every[:2]
    assert shown(RIDES.latest_per_partition(limit=2, after=page[-1].ref)) == every[2:4]
    assert shown(RIDES.latest_per_partition(region=["ZRH", "GVA"], time=(None, "2024-05-01"))) == [("ZRH", "01")]
    count("GVA", date(2024, 5, 2), 50)
    assert [one.get() for one in RIDES.latest_per_partition(region="GVA")] == [50]


def test_partition_values(rides):
    assert RIDES.partition_values("region") == ["BSL", "GVA", "ZRH"]
    assert RIDES.partition_values("region", time=("2024-05-02", None)) == ["BSL", "GVA", "ZRH"]
    assert RIDES.partition_values("time", region="ZRH") == ["2024-05-01", "2024-05-02"]
    assert MODEL.partition_values("region") == []


def test_a_pinned_declaration_finds_no_other_version(rides):
    first = rides.resolve("rides@region=ZRH,time=2024-05-01")
    count("ZRH", date(2024, 5, 1), 60)
    count("BSL", date(2024, 5, 9), 61)
    pinned = Artifact(name="rides", version=first.version, partition_keys=["region"], time_partitioned=True)
    for asked in ({"region": ["ZRH", "BSL"]}, {"time": ("2024", None)}, {"region": "ZRH"}):
        assert pinned.query(**asked).get() == first.get()
        assert [one.ref for one in pinned.latest_per_partition(**asked)] == [first.ref]
        assert pinned.table(**asked)["version"].tolist() == [first.version]
    assert pinned.partition_values("region") == ["ZRH"]
    assert pinned.query(region=["BSL", "GVA"]).latest() is None
    rides.alias("rides@region=BSL,time=2024-05-01", "good")
    good = Artifact(name="rides", version="good", partition_keys=["region"], time_partitioned=True)
    assert [one.partitions["region"] for one in good.latest_per_partition()] == ["BSL"]


def test_a_date_as_the_end_of_a_range_is_a_whole_day(repo):
    hourly = Artifact(name="hours", time_partitioned=True, time_partition_granularity=Granularity.HOUR)
    for day, hour in ((9, 23), (10, 0), (10, 23), (11, 0)):
        repo.put(100 * day + hour, f"hours@time=2024-03-{day:02}T{hour:02}")
    day = date(2024, 3, 10)
    for ends in ((day, day), ("2024-03-10", "2024-03-10"), (datetime(2024, 3, 10), datetime(2024, 3, 10, 23))):
        assert [one.get() for one in hourly.latest_per_partition(time=ends)] == [1000, 1023]
