"""What flytekit promises of artifacts (its tests/flytekit/unit/core/test_artifacts.py), in our spelling.

Where flytekit looks at the compiled form we look at what is published or resolved. Two things differ on purpose: values
computed in a workflow's body may be partition values, and mapped tasks publish a version for each element.
"""

import warnings
from datetime import datetime, timedelta
from typing import Annotated, get_args

import cloudpickle
import pandas as pd
import pytest

from cas.errors import DeclarationError
from cas.flows import (
    Artifact,
    Granularity,
    Inputs,
    LaunchPlan,
    OpenPartitionWarning,
    launch,
    map_task,
    task,
    workflow,
)
from cas.flows.interface import Interface
from cas.flows.query import settle

FRAME = pd.DataFrame({"a": [1, 2, 3]})
DAY = datetime(2021, 1, 1)
MY_DATA = Artifact(name="my_data", partition_keys=["a", "b"], time_partitioned=True)


def refs(repo):
    return sorted(version.ref.partition("#")[0] for version in repo.log())


ALIKE = {
    "at once": MY_DATA(time_partition=Inputs.dt, b=Inputs.b_value, a="manual"),
    "in another order": MY_DATA(a="manual", time_partition=Inputs.dt, b=Inputs.b_value),
    "call by call": MY_DATA(b=Inputs.b_value)(time_partition=Inputs.dt)(a="manual"),
    "by method": MY_DATA.bind_time_partition(Inputs.dt)(b=Inputs.b_value, a="manual"),
}


@pytest.mark.parametrize("binding", ALIKE.values(), ids=ALIKE)
def test_static_values_and_inputs_in_any_spelling(repo, binding):
    @task
    def t1(b_value: str, dt: datetime) -> Annotated[pd.DataFrame, binding]:
        return FRAME

    assert (binding.keys["a"], binding.keys["b"], binding.time) == ("manual", Inputs.b_value, Inputs.dt)
    t1(b_value="bee", dt=DAY)
    version = repo.resolve("my_data")
    assert (version.partitions, version.time) == ({"a": "manual", "b": "bee"}, "2021-01-01")
    assert (version.project, version.domain, len(version.version)) == (repo.project, repo.domain, 12)


def test_a_declaration_is_by_day_and_says_no_version():
    assert MY_DATA.time_partition.granularity is Granularity.DAY
    assert (MY_DATA.version, MY_DATA.project, MY_DATA.domain) == (None, None, None)


def test_an_annotation_keeps_the_very_binding():
    called = Artifact(name="plain")()
    assert get_args(Annotated[int, called])[1] is called

    def plain() -> int: ...
    def annotated() -> Annotated[int, called]: ...

    assert Interface.of(plain).outputs == ()
    assert [output.binding for output in Interface.of(annotated).outputs] == [called]


def test_a_time_on_an_artifact_without_times():
    untimed = Artifact(name="my_data", partition_keys=["a", "b"])
    assert not untimed.time_partitioned
    with pytest.raises(ValueError, match="not time-partitioned"):

        @task
        def wrong(b_value: str, dt: datetime) -> Annotated[pd.DataFrame, untimed(time_partition=Inputs.dt, a="m")]: ...


def test_keys_alone_publish_no_time(repo):
    untimed = Artifact(name="my_data", partition_keys=["a", "b"])

    @task
    def t1(b_value: str, dt: datetime) -> Annotated[pd.DataFrame, untimed(b=Inputs.b_value, a="manual")]:
        return FRAME

    t1("bee", DAY)
    assert refs(repo) == ["my_data@a=manual,b=bee"]


def test_a_time_may_be_given_at_once(repo):
    timed = Artifact(name="my_data", time_partitioned=True)
    binding = timed(time_partition=datetime(2063, 4, 5))
    assert not binding.keys

    @task
    def t1() -> Annotated[int, binding]:
        return 1

    t1()
    assert refs(repo) == ["my_data@time=2063-04-05"]


def test_boundness():
    keyed = Artifact(name="my_data", partition_keys=["a"])
    assert not keyed.query().bound
    assert keyed.query(a="hi").bound
    timed = Artifact(name="my_data", time_partitioned=True)
    assert not timed.query().bound
    assert timed.query(time_partition=Inputs.dt).bound


@pytest.mark.parametrize("granularity", list(Granularity))
def test_values_that_only_the_run_knows(repo, granularity):
    artifact = Artifact(
        name="my_data", partition_keys=["a", "b"], time_partitioned=True, time_partition_granularity=granularity
    )

    @task
    def t1(b_value: str, dt: datetime) -> Annotated[pd.DataFrame, artifact(b=Inputs.b_value)]:
        return artifact.create_from(FRAME, a="dynamic!", time_partition=dt)

    assert t1("my b value", datetime(2021, 1, 1, 10, 30)) is FRAME
    version = repo.resolve("my_data")
    assert version.partitions == {"a": "dynamic!", "b": "my b value"}
    assert version.time == granularity.truncate(datetime(2021, 1, 1, 10, 30))
    assert artifact.time_partition.granularity is granularity


def test_only_the_time_at_run_time(repo):
    timed = Artifact(name="my_data", time_partitioned=True)

    @task
    def t1(dt: datetime) -> Annotated[pd.DataFrame, timed]:
        return timed.create_from(FRAME, time_partition=dt)

    t1(DAY)
    assert refs(repo) == ["my_data@time=2021-01-01"]


def test_extras_go_with_the_artifact(repo):
    class Note:
        def __init__(self, text, prefix):
            self.text, self.prefix = text, prefix

        def serialize_to_string(self, context, variable):
            return f"{self.prefix}_meta{variable}", self.text

    @task
    def t1(b_value: str, dt: datetime) -> Annotated[pd.DataFrame, MY_DATA(b=Inputs.b_value)]:
        return MY_DATA.create_from(FRAME, Note("this", "p1"), Note("that", "p2"), a="dynamic!", time_partition=dt)

    t1("bee", DAY)
    assert repo.resolve("my_data@a=dynamic!").cards == {"p1_metao0": b"this", "p2_metao0": b"that"}


def test_no_partitions_at_all(repo):
    plain = Artifact(name="my_data3")

    @task
    def t3(b_value: str) -> Annotated[pd.DataFrame, plain]:
        return FRAME

    t3("x")
    assert refs(repo) == ["my_data3"]


def test_what_a_query_asks_for():
    rides = Artifact(name="ride_count_data", time_partitioned=True, partition_keys=["region"])
    query = rides.query(time_partition=Inputs.dt, region=Inputs.blah)
    assert query.facts is rides.facts
    assert (query.keys, query.time) == ({"region": Inputs.blah}, Inputs.dt)
    assert query.references == ()


def test_scope_of_a_query_and_what_is_not_specified():
    pinned = Artifact(project="project1", domain="dev", name="wf_artifact", version="1", partitions=None)
    asked = settle(pinned.query("pr", "dom"), {}, {})
    assert (asked.project, asked.domain, asked.name, asked.version) == ("pr", "dom", "wf_artifact", "1")
    assert (asked.keys, asked.times) == ((), None)
    empty = Artifact(project="project1", domain="dev", name="wf_artifact", partitions={})
    assert not empty.partitions
    asked = settle(empty.query(), {}, {})
    assert (asked.project, asked.domain, asked.keys, asked.times) == ("project1", "dev", (), None)


def test_an_artifact_or_its_query_as_default(repo):
    artifact = Artifact(project="project1", domain="dev", name="wf_artifact")

    @task
    def t1(a: int) -> int:
        return a + 1

    @workflow
    def by_query(a: int = artifact.query()) -> int:
        return t1(a=a)

    @workflow
    def bare(a: int = artifact) -> int:
        return t1(a=a)

    repo.put(41, "project1/dev/wf_artifact")
    for flow in (by_query, bare):
        assert launch(LaunchPlan.create("default", flow)) == flow() == 42


def test_a_whole_artifact_as_default(repo):
    key = Artifact(project="pro", domain="dom", name="key", version="v0.1.0", partitions={"region": "LAX"})

    @workflow
    def wf3(a: int = key) -> int:
        return a

    repo.put(1, "pro/dom/key@region=LAX", version="v0.1.0")
    repo.put(2, "pro/dom/key@region=LAX")
    repo.put(3, "pro/dom/key@region=SFO")
    assert launch(LaunchPlan.create("pinned", wf3)) == 1
    assert key.query().keys == {"region": "LAX"}


def test_partitions_of_one_other_artifact():
    aa, bb, cc = (
        Artifact(name=name, time_partitioned=True, partition_keys=["region"])
        for name in ("ride_count_data", "driver_data", "passenger_data")
    )
    aa.query(time_partition=Inputs.dt, region=bb.partitions.region)
    with pytest.raises(ValueError, match="several artifacts"):
        aa.query(time_partition=cc.time_partition, region=bb.partitions.region)


def test_a_plan_with_fixed_default_and_queried_inputs(repo):
    number_artifact = Artifact(name="important_int")

    @task
    def greet(day_of_week: str, number: int, am: bool) -> str:
        return f"{day_of_week} {'morning' if am else 'evening'}{'!' * number}"

    @workflow
    def go_greet(day_of_week: str, number: int = number_artifact.query(), am: bool = False) -> str:
        return greet(day_of_week=day_of_week, number=number, am=am)

    plan = LaunchPlan.create(
        "morning_lp", go_greet, fixed_inputs={"am": True}, default_inputs={"day_of_week": "monday"}
    )
    repo.put(3, "important_int")
    assert launch(plan) == "monday morning!!!"
    assert launch(plan, day_of_week="friday", number=1) == "friday morning!"


def test_inputs_that_the_function_lacks():
    for binding in (
        MY_DATA(time_partition=Inputs.dt, b=Inputs.xyz, a="manual"),
        MY_DATA(time_partition=Inputs.dtt, b=Inputs.b_value, a="manual"),
    ):
        with pytest.raises(DeclarationError, match=r"the function has no such input"):

            @task
            def t1(b_value: str, dt: datetime) -> Annotated[pd.DataFrame, binding]: ...

    with pytest.raises(ValueError, match="needs a name"):
        Artifact(partition_keys=["a", "b"], time_partitioned=True)


def test_bound_in_part_and_the_rest_at_run_time(repo):
    @task
    def t1(b_value: str, dt: datetime) -> Annotated[int, MY_DATA(time_partition=Inputs.dt, a="manual")]:
        return MY_DATA.create_from(3, b="dynamic string")

    assert t1("x", DAY) == 3
    assert refs(repo) == ["my_data@a=manual,b=dynamic string,time=2021-01-01"]


def test_a_workflow_may_leave_keys_open_and_compute_them(repo):
    @workflow
    def wf1(b_value: str, dt: datetime) -> Annotated[int, MY_DATA(time_partition=Inputs.dt, a="manual")]:
        return MY_DATA(3, b=b_value + "!")

    @workflow
    def wf2(b_value: str, dt: datetime) -> Annotated[int, MY_DATA(time_partition=Inputs.dt, a="manual")]:
        return 4

    wf1("x", DAY)
    with pytest.warns(OpenPartitionWarning, match="without 'b'"):
        wf2("x", DAY)
    assert refs(repo) == ["my_data@a=manual,b=x!,time=2021-01-01", "my_data@a=manual,time=2021-01-01"]


def test_mapped_tasks_publish_each_element(repo):
    keyed = Artifact(name="my_data", partition_keys=["b"])

    @task
    def t1(b_value: str) -> Annotated[pd.DataFrame, keyed]:
        return keyed.create_from(FRAME, b=f"dynamic {b_value}")

    assert len(map_task(t1)(b_value=["1", "2"])) == 2
    assert refs(repo) == ["my_data@b=dynamic 1", "my_data@b=dynamic 2"]


def test_time_arithmetic():
    hourly = Artifact(
        name="test artifact", time_partitioned=True, time_partition_granularity=Granularity.HOUR
    ).time_partition
    for moved, offset in ((hourly + timedelta(days=1), 1), (hourly - timedelta(days=1), -1)):
        assert moved is not hourly
        assert (moved.offset, moved.granularity) == (timedelta(days=offset), Granularity.HOUR)
    assert (hourly + timedelta(days=1) - timedelta(days=1)).offset == timedelta(0)


def test_everything_says_what_it_is():
    hourly = Artifact(name="t", time_partitioned=True)
    for written in (hourly.time_partition, hourly(time_partition=DAY), MY_DATA(b="my_b_value"), MY_DATA.partitions):
        assert "generator" not in repr(written)
        assert " at 0x" not in repr(written)
    assert "my_b_value" in repr(MY_DATA(b="my_b_value"))
    assert "2021" in repr(hourly(time_partition=DAY))


def test_at_most_ten_keys():
    with pytest.raises(ValueError, match="11"):
        Artifact(name="test artifact", time_partitioned=True, partition_keys=[f"key_{i}" for i in range(11)])


def test_bindings_survive_cloudpickle():
    binding = Artifact(name="my_data", partition_keys=["b"])(b="my_b_value")
    again = cloudpickle.loads(cloudpickle.dumps(binding))
    assert again == binding
    assert again.keys["b"] == "my_b_value"


def test_nothing_warns_where_all_is_said(repo):
    @task
    def t1(b_value: str, dt: datetime) -> Annotated[int, ALIKE["at once"]]:
        return 1

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        t1("x", DAY)
