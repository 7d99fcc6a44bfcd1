"""The examples of Flyte's document on artifacts: only the import line is changed, and each `...` filled in."""

import typing
from datetime import datetime

import pandas as pd
import pytest

from cas.errors import RefNotFound
from cas.flows import OpenPartitionWarning

FRAME = pd.DataFrame({"x": [1, 2]})


def refs(repo):
    return sorted(version.ref.partition("#")[0] for version in repo.log())


def test_using_annotated(repo):
    df = FRAME
    # fmt: off
    from typing import Annotated

    from cas import Artifact, Inputs, task
    my_artifact = Artifact(name="my_data", partition_keys=["a", "b"], time_partitioned=True)

    @task
    def my_task(b_value: str, run_time: datetime) -> Annotated[pd.DataFrame, my_artifact(b=Inputs.b_value).bind_time_partition(Inputs.run_time)]:  # noqa: E501
        return df
    # fmt: on

    with pytest.warns(OpenPartitionWarning, match="published to 'my_data' without 'a'"):
        made = my_task(b_value="bee", run_time=datetime(2024, 5, 1, 10))
    assert made is FRAME
    assert refs(repo) == ["my_data@b=bee,time=2024-05-01"]
    assert repo.get("my_data@b=bee").equals(FRAME)


def test_specifying_partitions_at_execution_time(repo):
    df = FRAME
    from typing import Annotated

    from cas import Artifact, task

    # fmt: off
    my_artifact = Artifact[pd.DataFrame](name="flyteorg.test.yt.test", partition_keys=["a", "b"])

    @task
    def base_t2_orig(b_value: str) -> Annotated[pd.DataFrame, my_artifact]:
        return my_artifact(df, a="a_value", b=b_value+"2")
    # fmt: on

    assert base_t2_orig(b_value="b") is FRAME
    assert refs(repo) == ["flyteorg.test.yt.test@a=a_value,b=b2"]


def test_artifact_as_a_type(repo):
    from cas import Artifact, Inputs, task, workflow

    @task
    def some_task() -> int:
        return 42

    @task
    def some_task_2() -> pd.DataFrame:
        return FRAME

    @task
    def some_task_3() -> str:
        return "x"

    # fmt: off
    class MyData(Artifact[pd.DataFrame]):
        partitions = ["a", "b"]

    @workflow
    def upstream_wf(input_a: datetime) -> typing.Tuple[int, MyData]:  # noqa: UP006
        int_result = some_task()
        df_result = some_task_2()
        str_result = some_task_3()  # noqa: F841
        return int_result, MyData(df_result, a="constant str okay", b=Inputs.input_a)
    # fmt: on

    @task
    def downstream(data: MyData) -> int:
        return len(data)

    result, data = upstream_wf(input_a=datetime(2024, 5, 1))
    assert (result, type(data)) == (42, pd.DataFrame)
    assert refs(repo) == ["MyData@a=constant str okay,b=2024-05-01"]
    assert downstream(data) == 2


def test_parameters_to_launch_plans(repo):
    trained = []
    from cas import Artifact, Inputs, task, workflow

    @task
    def train_model(region: str, data: pd.DataFrame) -> None:
        trained.append((region, len(data)))

    # fmt: off
    RideCountData = Artifact(
        name="ride_count_data",
        time_partitioned=True,
        partition_keys=["region"],
    )

    data_query = RideCountData.query(region=Inputs.region, time_partition=Inputs.kickoff_time)

    @workflow
    def run_train_model(region: str, kickoff_time: datetime, data: pd.DataFrame = data_query):
        train_model(region=region, data=data)
    # fmt: on

    with pytest.raises(
        RefNotFound, match=r"no artifact matches ride_count_data\.query\(region='ZRH', time='2024-05-01'\)"
    ):
        run_train_model(region="ZRH", kickoff_time=datetime(2024, 5, 1, 6))
    repo.put(FRAME, "ride_count_data@region=ZRH,time=2024-05-01")
    run_train_model(region="ZRH", kickoff_time=datetime(2024, 5, 1, 6))
    assert trained == [("ZRH", 2)]
