"""What type checkers must understand of flows; lines marked `# error` must be refused, and no others. Not run."""

from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Annotated, Any

import pandas as pd
from typing_extensions import assert_type

from cas import Artifact, Inputs, LaunchPlan, OnArtifact, launch, task, workflow
from cas.flows import Binding

FRAME = pd.DataFrame({"x": [1]})

untyped = Artifact(name="untyped", partition_keys=["a"])
rides = Artifact[pd.DataFrame](name="rides", partition_keys=["region"], time_partitioned=True)


class MyData(Artifact[pd.DataFrame]):
    partitions = ["a", "b"]
    time_partitioned = True


assert_type(rides, Artifact[pd.DataFrame])
assert_type(rides(FRAME, region="x"), pd.DataFrame)
assert_type(rides(region="x"), Binding)
assert_type(rides(region="x").bind_time_partition(Inputs.t), Binding)
assert_type(rides.create_from(FRAME, region="x"), pd.DataFrame)
assert_type(MyData.create_from(FRAME, a="x"), pd.DataFrame)
assert_type(MyData.partition_values("a"), list[str])
untyped(3, a="x")
rides("not a frame", region="x")  # error


@task
def made(region: str, t: datetime) -> Annotated[pd.DataFrame, rides(region=Inputs.region)]:
    return rides(FRAME, time_partition=t)


@task
def use(data: pd.DataFrame, region: str = "x") -> int:
    return len(data)


@task
async def slow(x: int) -> str:
    return str(x)


@task(name="later")
def later(data: MyData) -> int:
    return len(data) + int(data["x"].sum()) + int(data.groupby("x").ngroups)


@workflow
def flow(region: str, data: pd.DataFrame = rides.query(region=Inputs.region)) -> tuple[int, MyData]:  # noqa: B008 - made for it
    return use(data), MyData(data, a="1", b="2")


assert_type(made("x", datetime(2024, 1, 1)), pd.DataFrame)
assert_type(use(FRAME), int)
awaited: Coroutine[Any, Any, str] = slow(1)
number, mine = flow("x")
assert_type(mine, MyData)
assert_type(later(mine), int)
made(3, datetime(2024, 1, 1))  # error
use(FRAME, nope=1)  # error

plan = LaunchPlan.create(
    "plan",
    flow,
    trigger=OnArtifact(trigger_on=rides, inputs={"region": rides.partitions.region}),
    default_inputs={"data": rides.query(time=rides.time_partition - timedelta(days=1))},
)
launch(plan, region="x")
