"""Declarations: what they refuse, that they are values, and that both forms are alike."""

import pickle
import subprocess
import sys

import cloudpickle
import pandas as pd
import pytest

from cas.errors import DeclarationError, InvalidRefName
from cas.flows import Artifact, Granularity, Inputs
from cas.flows.binding import Binding
from cas.flows.declaration import facts_of


class MyData(Artifact[pd.DataFrame]):
    partitions = ["a", "b"]


class Hourly(Artifact[int]):
    name = "hourly.counts"
    time_partitioned = True
    time_partition_granularity = Granularity.HOUR


class Narrower(MyData):
    time_partitioned = True


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ({}, "needs a name"),
        ({"name": ""}, "needs a name"),
        ({"name": "x", "partition_keys": [f"k{n}" for n in range(11)]}, "at most 10"),
        ({"name": "x", "partition_keys": ["a", "a"]}, "twice"),
        ({"name": "x", "partition_keys": "region"}, "not a str"),
        ({"name": "x", "partition_keys": [1]}, "not text"),
        ({"name": "x", "partition_keys": 3}, "a list of names, not a int"),
        ({"name": "x", "partitions": ["a"]}, "maps keys to values"),
        ({"name": "x", "time_partitioned": True, "time_partition_granularity": "week"}, "no granularity"),
        ({"name": "x", "time_partitioned": True, "time_partition_granularity": 5}, "no granularity"),
        ({"name": "x", "partitions": {"a": 1}}, "must be a str"),
        ({"name": "x", "partitions": {"a": ""}}, "cannot be a partition value"),
        ({"name": "x", "owner": "me"}, "no owner"),
        *[
            ({"name": "x", "partition_keys": [word]}, "reserved")
            for word in (
                "time",
                "time_partition",
                "project",
                "domain",
                "name",
                "version",
                "partitions",
                "strict",
                "metadata",
            )
        ],
    ],
)
def test_mistakes_are_found_at_declaration(said, cause):
    with pytest.raises(DeclarationError, match=cause):
        Artifact(**said)


def test_names_follow_the_rules_of_refs():
    with pytest.raises(InvalidRefName):
        Artifact(name="a/b")
    with pytest.raises(DeclarationError, match="by keyword"):
        Artifact("my_data")


def test_ten_keys_are_allowed():
    assert len(Artifact(name="x", partition_keys=[f"k{n}" for n in range(10)]).partitions) == 10


def test_repr_is_deterministic_and_complete():
    declared = Artifact[pd.DataFrame](
        name="rides",
        partition_keys=["b", "a"],
        time_partitioned=True,
        time_partition_granularity=Granularity.MONTH,
        project="p",
        strict=True,
    )
    assert repr(declared) == (
        "Artifact[DataFrame](name='rides', project='p', partition_keys=['b', 'a'], time_partitioned=True, "
        "time_partition_granularity=Granularity.MONTH, strict=True)"
    )
    assert repr(declared(b=Inputs.x, a="1")) == (
        "Artifact(name='rides', project='p', partition_keys=['b', 'a'], time_partitioned=True, "
        "time_partition_granularity=Granularity.MONTH, strict=True)(a='1', b=Inputs.x)"
    )


def test_the_order_of_a_set_of_keys_does_not_depend_on_the_process():
    keys = [f"k{n}" for n in range(9)]
    assert list(Artifact(name="x", partition_keys=set(keys)).partitions) == keys


def test_repr_tells_keys_beside_fixed_ones():
    half_fixed = Artifact(name="x", partition_keys=["a"], partitions={"b": "1"})
    assert repr(half_fixed) == "Artifact(name='x', partition_keys=['a', 'b'], partitions={'b': '1'})"
    assert eval(repr(half_fixed)) == half_fixed


def test_numbers_are_no_partition_values_by_position():
    with pytest.raises(DeclarationError, match="given to 'MyData' by position"):
        MyData(3)
    assert Artifact(name="plain")(3) == 3


def test_declarations_are_values():
    one = Artifact(name="x", partition_keys=["a"])
    assert one == Artifact(name="x", partition_keys=["a"])
    assert hash(one) == hash(Artifact(name="x", partition_keys=["a"]))
    assert one != Artifact(name="x", partition_keys=["b"])
    assert one != Artifact[int](name="x", partition_keys=["a"])


def test_the_type_is_known():
    assert facts_of(Artifact[pd.DataFrame](name="x")).type is pd.DataFrame
    assert facts_of(Artifact(name="x")).type is None
    assert facts_of(MyData).type is pd.DataFrame
    assert facts_of(Narrower).type is pd.DataFrame


def test_a_class_declares():
    assert MyData.name == "MyData"
    assert list(MyData.partitions) == ["a", "b"]
    assert MyData.time_partitioned is False
    assert Hourly.name == "hourly.counts"
    assert facts_of(Hourly).granularity is Granularity.HOUR
    assert list(Narrower.partitions) == ["a", "b"]
    assert Narrower.name == "Narrower"
    assert facts_of(Narrower).granularity is Granularity.DAY


def test_a_class_with_mistakes_is_refused():
    with pytest.raises(DeclarationError, match="reserved"):

        class Wrong(Artifact[int]):
            partitions = ["time"]


def test_a_class_is_used_like_a_declaration():
    frame = pd.DataFrame({"x": [1]})
    assert MyData(frame, a="1") is frame
    assert MyData.create_from(frame, a="1") is frame
    assert MyData(a="1") == Binding(facts_of(MyData), {"a": "1"})
    assert MyData.query(a="1").facts == facts_of(MyData)
    assert Hourly.time_partition.facts == facts_of(Hourly)
    assert repr(MyData.partitions.b) == "MyData.partitions.b"


def test_artifact_itself_declares_nothing():
    with pytest.raises(DeclarationError, match="declares nothing"):
        Artifact.query(a="1")


def test_pickles_keep_everything():
    declared = Artifact[pd.DataFrame](name="x", partition_keys=["a"], time_partitioned=True)
    for pickled in (pickle.dumps(declared), cloudpickle.dumps(declared)):
        again = pickle.loads(pickled)
        assert again == declared
        assert repr(again) == repr(declared)
    bound = declared(a=Inputs.x).bind_time_partition(Inputs.t)
    assert pickle.loads(cloudpickle.dumps(bound)) == bound
    query = declared.query(a=["1", "2"], time=("2024-01", None))
    assert pickle.loads(cloudpickle.dumps(query)) == query


def test_a_class_made_in_main_survives_cloudpickle(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import cloudpickle, sys\n"
        "from cas.flows import Artifact\n"
        "class Mine(Artifact[int]):\n"
        "    partitions = ['a']\n"
        "    time_partitioned = True\n"
        "sys.stdout.buffer.write(cloudpickle.dumps(Mine))\n"
    )
    pickled = subprocess.run([sys.executable, str(script)], capture_output=True, check=True).stdout
    mine = pickle.loads(pickled)
    assert mine.name == "Mine"
    assert list(mine.partitions) == ["a"]
    assert repr(mine(a="1")) == "Artifact(name='Mine', partition_keys=['a'], time_partitioned=True)(a='1')"


def test_positional_partition_values_are_refused():
    declared = Artifact(name="x", partition_keys=["a"])
    for value in ("one", Inputs.a):
        with pytest.raises(DeclarationError, match="by position"):
            declared(value)
    with pytest.raises(DeclarationError, match="not by position"):
        declared(a="1")("two")


def test_metadata_needs_a_value():
    with pytest.raises(DeclarationError, match="metadata belongs to a value"):
        Artifact(name="x")(metadata={"a": 1})


def test_outside_of_a_task_a_value_comes_back_unchanged():
    declared = Artifact(name="x", partition_keys=["a"])
    frame = pd.DataFrame({"x": [1]})
    assert declared(frame, a="1") is frame
    assert declared.create_from(42, a="1") == 42
    with pytest.raises(DeclarationError, match="no partition key 'b'"):
        declared(frame, b="1")
    with pytest.raises(DeclarationError, match="not time-partitioned"):
        declared(frame, time_partition="2024-01-01")
