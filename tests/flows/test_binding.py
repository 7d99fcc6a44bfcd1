"""Bindings: chaining, what is refused when declared, and how annotation and call merge."""

from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cas.errors import DeclarationError, PartitionError, PublishError
from cas.flows import Artifact, Granularity, Inputs
from cas.flows.binding import Creation, OpenPartitionWarning, settle
from cas.flows.declaration import facts_of

DATA = Artifact(name="my_data", partition_keys=["a", "b"], time_partitioned=True)
PLAIN = Artifact(name="plain")
KEYED = Artifact(name="keyed", partition_keys=["a", "b"])


def settled(binding, creation=None, **arguments):
    partition = settle(binding, creation, arguments, where="the result")
    return dict(partition.keys), partition.time


def created(artifact, time=None, **keys):
    return Creation(facts_of(artifact), None, keys, time)


def test_calls_chain_in_any_order():
    one = DATA(b=Inputs.b_value).bind_time_partition(Inputs.run_time)
    assert one == DATA.bind_time_partition(Inputs.run_time)(b=Inputs.b_value)
    assert one == DATA(b=Inputs.b_value, time_partition=Inputs.run_time)
    assert one == DATA.bind_partitions(b=Inputs.b_value).bind_time_partition(Inputs.run_time)
    assert DATA(a="x")(b="y") == DATA(b="y")(a="x") == DATA(a="x", b="y")


def test_binding_leaves_the_declaration_and_earlier_bindings_alone():
    first = DATA(a="x")
    first(b="y")
    assert first == DATA(a="x")
    assert Artifact(name="my_data", partition_keys=["a", "b"], time_partitioned=True) == DATA


@pytest.mark.parametrize(
    ("bind", "cause"),
    [
        (lambda: DATA(c="x"), "no partition key 'c': its keys are a, b"),
        (lambda: PLAIN(a="x"), "it has no partition keys"),
        (lambda: DATA(a=1), "must be a str or Inputs"),
        (lambda: DATA(a=None), "must be a str or Inputs"),
        (lambda: DATA(a=["x"]), "must be a str or Inputs"),
        (lambda: KEYED(time_partition=Inputs.t), "not time-partitioned"),
        (lambda: KEYED.bind_time_partition(Inputs.t), "not time-partitioned"),
        (lambda: DATA(time_partition="2024-01-01"), "must be a datetime, a date or Inputs"),
        (lambda: DATA(time_partition=7), "must be a datetime"),
        (lambda: DATA(a=""), "partition 'a' of 'my_data': '' cannot be a partition value"),
        (lambda: DATA(a="x")(a="y"), "bound twice"),
        (lambda: DATA(time_partition=Inputs.t)(time_partition=Inputs.u), "bound twice"),
    ],
)
def test_mistakes_are_found_when_bound(bind, cause):
    with pytest.raises(DeclarationError, match=cause):
        bind()


def test_inputs_are_rendered():
    binding = DATA(a=Inputs.n, b="static").bind_time_partition(Inputs.t)
    assert settled(binding, n=7, t=datetime(2024, 5, 1, 10)) == ({"a": "7", "b": "static"}, "2024-05-01")
    assert settled(binding, n=True, t=date(2024, 5, 1)) == ({"a": "true", "b": "static"}, "2024-05-01")
    zurich = timezone(timedelta(hours=2))
    assert settled(binding, n=0.5, t=datetime(2024, 5, 1, 1, tzinfo=zurich))[1] == "2024-04-30"


def test_moved_inputs():
    binding = KEYED(a=Inputs.t - timedelta(days=1), b="x")
    assert settled(binding, t=datetime(2024, 5, 1))[0]["a"] == "2024-04-30"
    with pytest.raises(PartitionError, match="no time can be added"):
        settled(binding, t=5)
    moved = DATA(a="x", b="y").bind_time_partition(Inputs.t - timedelta(days=1))
    assert settled(moved, t=date(2024, 5, 1))[1] == "2024-04-30"


def test_granularities_truncate():
    moment = datetime(2024, 5, 6, 7, 8, 9)
    for granularity, text in zip(
        Granularity, ("2024-05-06T07:08", "2024-05-06T07", "2024-05-06", "2024-05"), strict=True
    ):
        timed = Artifact(name="t", time_partitioned=True, time_partition_granularity=granularity)
        assert settled(timed.bind_time_partition(Inputs.t), t=moment) == ({}, text)


def test_the_call_fills_what_the_annotation_left_open():
    binding = DATA(b=Inputs.b)
    assert settled(binding, created(DATA, date(2024, 5, 1), a="x"), b="y") == ({"a": "x", "b": "y"}, "2024-05-01")
    assert settled(KEYED(), created(KEYED, a=1, b=Inputs.b), b=date(2024, 5, 1)) == (
        {"a": "1", "b": "2024-05-01"},
        None,
    )


def test_the_call_does_not_overrule_the_annotation():
    with pytest.raises(PublishError, match="bound to 'x' by the annotation, and the call gives 'z'"):
        settled(KEYED(a="x", b="y"), created(KEYED, a="z"))
    with pytest.raises(PublishError, match="bound by the annotation and the call"):
        settled(DATA(a="x", b="y", time_partition=date(2024, 1, 1)), created(DATA, date(2024, 1, 2)))


def test_keys_left_open_warn_where_something_was_said():
    with pytest.warns(OpenPartitionWarning, match="without 'a'"):
        assert settled(DATA(b="y", time_partition=date(2024, 1, 1))) == ({"b": "y"}, "2024-01-01")
    with pytest.warns(OpenPartitionWarning, match="without 'a', 'b'"):
        assert settled(DATA(time_partition=date(2024, 1, 1))) == ({}, "2024-01-01")
    with pytest.warns(OpenPartitionWarning, match="without 'time_partition'"):
        assert settled(DATA(), created(DATA, a="x", b="y")) == ({"a": "x", "b": "y"}, None)


def test_keys_left_open_are_an_error_where_nothing_was_said():
    with pytest.raises(PublishError, match="'a', 'b', 'time_partition' of 'my_data' are left open; nothing was publ"):
        settled(DATA())
    with pytest.raises(PublishError, match="'time_partition' of 't' is left open"):
        settled(Artifact(name="t", time_partitioned=True)())


def test_strict_declarations_want_every_key():
    strict = Artifact(name="s", partition_keys=["a", "b"], strict=True)
    with pytest.raises(PublishError, match="'b' of 's' is left open"):
        settled(strict(a="x"))


def test_unpartitioned_artifacts_need_nothing():
    assert settled(PLAIN()) == ({}, None)


def test_fixed_values_hold_for_every_use():
    fixed = Artifact(name="f", partitions={"region": "LAX"})
    assert list(fixed.partitions) == ["region"]
    assert settled(fixed()) == ({"region": "LAX"}, None)


def test_a_value_that_refs_cannot_hold_names_its_key():
    with pytest.raises(PartitionError, match=r"partition 'a' of 'keyed' \(Inputs.x\): '' cannot be a partition value"):
        settled(KEYED(a=Inputs.x, b="y"), x="")


def test_bindings_can_stand_in_unions():
    assert DATA(a="x")(b=Inputs.y) == DATA(b=Inputs.y, a="x")
    assert len({DATA(a="x")(b=Inputs.y), DATA(b=Inputs.y, a="x"), DATA(a="y")}) == 2


@pytest.mark.parametrize("value", [["x"], {"x": 1}, None, object()])
def test_values_without_a_partition_string(value):
    with pytest.raises(PartitionError, match=r"partition 'a' of 'keyed' \(Inputs.x\) is a"):
        settled(KEYED(a=Inputs.x, b="y"), x=value)


@given(st.permutations(["a", "b", "time"]), st.text("xyz", min_size=1), st.text("xyz", min_size=1))
def test_order_never_matters(order, a, b):
    steps = {
        "a": lambda binding: binding(a=a),
        "b": lambda binding: binding(b=b),
        "time": lambda binding: binding.bind_time_partition(Inputs.t),
    }
    binding = DATA()
    for step in order:
        binding = steps[step](binding)
    assert binding == DATA(a=a, b=b, time_partition=Inputs.t)
