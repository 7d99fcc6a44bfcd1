"""Launch plans: what they refuse, and how their inputs come together."""

from datetime import date, datetime, timedelta, timezone
from functools import partial
from typing import Annotated

import pytest

from cas.errors import DeclarationError, InvalidRefName, RefNotFound, UsageError
from cas.flows import Artifact, Inputs, LaunchPlan, OnArtifact, launch, map_task, task, workflow

RIDES = Artifact(name="rides", partition_keys=["region"], time_partitioned=True)
OTHER = Artifact(name="other", partition_keys=["region"])


@workflow
def train(region: str, kickoff: datetime, data: int = RIDES.query(region=Inputs.region)) -> tuple[str, int]:
    return region, data


@workflow
def shown(data: int, region: str, before: datetime, other: int | None, n: int = 1) -> tuple[object, ...]:
    return data, region, before, other, n


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ({"default_inputs": {"nope": 1}}, "has no input 'nope' \\(default input\\)"),
        ({"fixed_inputs": {"nope": 1}}, "has no input 'nope' \\(fixed input\\)"),
        ({"default_inputs": {"region": "a"}, "fixed_inputs": {"region": "b"}}, "is fixed, and given in another place"),
        ({"default_inputs": {"region": OTHER.partitions.region}}, "known to the inputs of a trigger only"),
        ({"default_inputs": {"data": RIDES.query(region=Inputs.nope)}}, "the function has no such input"),
        ({"default_inputs": {"data": RIDES.query(region=OTHER.partitions.region)}}, "refers to 'other'"),
        ({"default_inputs": ["region"]}, "default_inputs of plan 'plan' are given by name"),
        ({"fixed_inputs": "region"}, "fixed_inputs of plan 'plan' are given by name"),
        ({"trigger": RIDES}, "is no trigger"),
        ({"trigger": OnArtifact(RIDES)}, "nothing gives 'region', 'kickoff' when it is triggered"),
        ({"trigger": OnArtifact(RIDES, inputs={"nope": 1})}, "has no input 'nope' \\(trigger input\\)"),
    ],
)
def test_mistakes_are_found_when_declared(said, cause):
    with pytest.raises(DeclarationError, match=cause):
        LaunchPlan.create("plan", train, **said)


def test_plans_have_a_name_that_refs_may_have():
    with pytest.raises(InvalidRefName):
        LaunchPlan.create("a/b", train)


@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (lambda: OnArtifact([RIDES, OTHER]), "exactly one artifact, not on 2"),
        (lambda: OnArtifact("rides"), "an artifact or a query"),
        (lambda: OnArtifact(RIDES, inputs=[RIDES]), "the inputs of a trigger are given by name"),
        (lambda: OnArtifact(RIDES.query(region=Inputs.x)), "states values only"),
        (lambda: OnArtifact(RIDES, inputs={"x": OTHER.partitions.region}), "refers to 'other'; only 'rides' triggers"),
        (lambda: OnArtifact(RIDES, inputs={"x": Inputs.y}), "nothing gives it"),
    ],
)
def test_mistakes_in_triggers(make, cause):
    with pytest.raises(DeclarationError, match=cause):
        make()


def test_inputs_come_together(repo):
    repo.put(7, "rides@region=ZRH,time=2024-05-01")
    plan = LaunchPlan.create(
        "p", train, default_inputs={"kickoff": datetime(2024, 1, 1)}, fixed_inputs={"region": "ZRH"}
    )
    assert launch(plan) == ("ZRH", 7)
    assert plan(data=8) == ("ZRH", 8)
    with pytest.raises(UsageError, match="input 'region' of plan 'p' is fixed to 'ZRH'"):
        launch(plan, region="BSL")
    with pytest.raises(UsageError, match="has no input 'nope'"):
        launch(plan, nope=1)


def test_a_launch_is_a_span_around_the_workflow(repo):
    repo.put(7, "rides@region=ZRH,time=2024-05-01")
    plan = LaunchPlan.create("p", train, fixed_inputs={"region": "ZRH", "kickoff": datetime(2024, 1, 1)})
    launch(plan)
    (outer,) = repo.spans(label="p")
    (inner,) = repo.spans(label="train")
    assert outer.metadata == {"kind": "launch", "plan": "p"}
    assert inner.parent == outer.id
    assert [link.name for link in repo.inputs(inner.id)] == ["region", "kickoff", "data"]


def test_defaults_may_be_queries(repo):
    repo.put(7, "rides@region=ZRH,time=2024-05-01")
    repo.put(8, "rides@region=ZRH,time=2024-05-02")
    asked = RIDES.query(region=Inputs.region, time=Inputs.kickoff - timedelta(days=1))
    plan = LaunchPlan.create("p", train, default_inputs={"data": asked})
    assert launch(plan, region="ZRH", kickoff=datetime(2024, 5, 2)) == ("ZRH", 7)
    with pytest.raises(RefNotFound):
        launch(plan, region="ZRH", kickoff=datetime(2024, 5, 1))
    assert launch(plan, region="ZRH", kickoff=datetime(2024, 5, 1), data=RIDES) == ("ZRH", 8)


def test_missing_inputs_are_named(repo):
    with pytest.raises(UsageError, match="cannot launch train: 'kickoff' is not given"):
        launch(train, region="x")
    assert repo.spans() == []


def test_an_artifact_is_no_function(repo):
    for what in (Artifact(name="x"), Artifact(name="x", partition_keys=["a"])(a="1")):
        with pytest.raises(UsageError, match="is an artifact, and cannot be launched"):
            launch(what)


def test_plain_functions_and_coroutines_are_launched_too(repo):
    async def slow(x: int) -> Annotated[int, OTHER(region="x")]:
        return x

    def plain(x: int) -> int:
        return x + 1

    assert launch(plain, x=1) == 2
    assert launch(slow, x=1) == 1
    assert repo.resolve("other").get() == 1
    with pytest.raises(UsageError, match="cannot be launched"):
        launch(5)


def test_a_coroutine_is_not_launched_inside_a_loop(repo):
    import asyncio

    @task
    async def slow() -> int:
        return 1

    async def outer() -> None:
        launch(slow)

    with pytest.raises(UsageError, match="an event loop is running"):
        asyncio.run(outer())


def test_the_inputs_that_a_trigger_gives(repo):
    repo.put(9, "other@region=ZRH")
    version = repo.put(7, "rides@region=ZRH,time=2024-03-01")
    trigger = OnArtifact(
        trigger_on=RIDES,
        inputs={
            "data": RIDES,
            "region": RIDES.partitions.region,
            "before": RIDES.time_partition - timedelta(days=1),
            "other": OTHER.query(region=RIDES.partitions.region),
            "n": 3,
        },
    )
    plan = LaunchPlan.create("p", shown, trigger=trigger)
    before = datetime(2024, 2, 29, tzinfo=timezone.utc)
    assert launch(plan, **trigger.arguments(version)) == (7, "ZRH", before, 9, 3)


def test_mapping_publishes_all_in_one_transaction(repo):
    @task
    def square(x: int, region: str = "a") -> Annotated[int, OTHER]:
        return OTHER(x * x, region=f"{region}{x}")

    before = len(list((repo.root / "refs" / "default" / "main").glob("*.toml")))
    assert map_task(square)(x=[1, 2, 3]) == [1, 4, 9]
    segments = sorted((repo.root / "refs" / "default" / "main").glob("*.toml"))[before:]
    assert segments[-1].read_text().count("[[version]]") == 3
    assert sorted(one.partitions["region"] for one in repo.find("other")) == ["a1", "a2", "a3"]
    (outer,) = repo.spans(label="map square")
    assert {one.parent for one in repo.spans(label="square")} == {outer.id}


def test_mapping_publishes_nothing_where_one_fails(repo):
    @task
    def inverse(x: int) -> Annotated[float, OTHER]:
        return OTHER(1 / x, region=str(x))

    with pytest.raises(ZeroDivisionError):
        map_task(inverse)(x=[1, 0])
    assert repo.log() == []


def test_methods_and_partial_functions_are_launched_too(repo):
    class Model:
        @task
        def fit(self, x: int, y: int = 1) -> Annotated[int, OTHER(region="method")]:
            return x + y

    def added(x: int, y: int) -> Annotated[int, OTHER(region="partial")]:
        return x + y

    assert launch(Model().fit, x=2) == launch(partial(added, 2), y=1) == 3
    assert launch(partial(partial(Model.fit, None), y=5), x=2) == 7
    assert [one.label for one in repo.spans()] == ["fit", "added", "fit"]
    assert {version.ref.partition("#")[0] for version in repo.log()} == {"other@region=method", "other@region=partial"}
    assert repo.spans()[0].metadata["function"].endswith(".Model.fit")
    with pytest.raises(DeclarationError, match="are not known"):
        launch(dict, x=1)


def test_mapping_takes_lists_of_one_length(repo):
    @task
    def add(x: int, y: int) -> int:
        return x + y

    assert map_task(partial(add, y=1))(x=[1, 2]) == [2, 3]
    assert map_task(add)(x=[1, 2], y=[3, 4]) == [4, 6]
    with pytest.raises(UsageError, match="x has 1, y has 2"):
        map_task(add)(x=[1], y=[1, 2])
    with pytest.raises(UsageError, match="by keyword"):
        map_task(partial(add, 1))
    with pytest.raises(UsageError, match="y=2 is no list"):
        map_task(add)(x=[1], y=2)
    with pytest.raises(UsageError, match="give the lists"):
        map_task(add)()


def test_dates_are_fine_as_inputs(repo):
    @task
    def made(day: date) -> Annotated[int, RIDES(region="x", time_partition=Inputs.day)]:
        return 1

    launch(made, day=date(2024, 5, 1))
    assert repo.resolve("rides").time == "2024-05-01"
