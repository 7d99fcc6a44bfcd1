"""Placeholders: offsets add up, reprs are stable, anything else is refused."""

import pickle
from datetime import timedelta

import pytest

from cas.errors import DeclarationError
from cas.flows import Artifact, Inputs
from cas.flows.inputs import Input

DAY = timedelta(days=1)
RIDES = Artifact(name="rides", partition_keys=["region", "count"], time_partitioned=True)


def test_inputs_name_the_argument():
    assert Inputs.region == Input("region")
    assert Inputs["region"] == Inputs.region
    assert Inputs.region != Inputs.other


def test_offsets_chain_and_add_up():
    moved = Inputs.t - DAY + 3 * DAY - timedelta(hours=1)
    assert moved == Input("t", timedelta(days=1, hours=23))
    assert RIDES.time_partition - DAY - DAY == RIDES.time_partition - 2 * DAY


def test_only_timedeltas_move():
    with pytest.raises(DeclarationError, match=r"Inputs\.t can be moved by a timedelta"):
        _ = Inputs.t - 1


def test_reprs_say_what_was_written():
    assert repr(Inputs.t) == "Inputs.t"
    assert repr(Inputs.t - DAY) == "Inputs.t - datetime.timedelta(days=1)"
    assert repr(RIDES.partitions.region) == "rides.partitions.region"
    assert repr(RIDES.time_partition + DAY) == "rides.time_partition + datetime.timedelta(days=1)"


def test_special_names_are_no_inputs():
    with pytest.raises(AttributeError):
        _ = Inputs.__wrapped__
    assert pickle.loads(pickle.dumps(Inputs.t - DAY)) == Inputs.t - DAY


def test_partition_keys_are_listed_and_referred_to():
    assert list(RIDES.partitions) == ["region", "count"]
    assert len(RIDES.partitions) == 2
    assert "region" in RIDES.partitions
    assert RIDES.partitions["count"] == RIDES.partitions.count
    with pytest.raises(DeclarationError, match="no partition key 'regio'") as caught:
        _ = RIDES.partitions.regio
    assert caught.value.hint == "did you mean 'region'?"


def test_an_untimed_artifact_has_no_time():
    with pytest.raises(DeclarationError, match="not time-partitioned"):
        _ = Artifact(name="plain").time_partition
