"""Queries: what they refuse when declared, and what they ask for once the inputs are known."""

from datetime import date, datetime, timedelta

import pytest

from cas.catalog.selection import TimeRange
from cas.errors import DeclarationError, InvalidRefName, PartitionError
from cas.flows import Artifact, Granularity, Inputs
from cas.flows.declaration import facts_of
from cas.flows.query import Reference, settle

DAY = timedelta(days=1)
RIDES = Artifact(name="rides", partition_keys=["region", "kind"], time_partitioned=True)
MONTHLY = Artifact(
    name="monthly", partition_keys=["region"], time_partitioned=True, time_partition_granularity=Granularity.MONTH
)
OTHER = Artifact(name="other", partition_keys=["region"])
PLAIN = Artifact(name="plain")


def wanted(query, references=None, **arguments):
    return settle(query, arguments, {facts_of(a).address: r for a, r in (references or {}).items()})


@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (lambda: RIDES.query(colour="red"), "no partition key 'colour': its keys are region, kind"),
        (lambda: PLAIN.query(region="x"), "no partition keys"),
        (lambda: OTHER.query(time_partition=Inputs.t), "not time-partitioned"),
        (lambda: OTHER.query(time=("2024-01", "2024-02")), "not time-partitioned"),
        (lambda: RIDES.query(region="x", partitions={"kind": "y"}), "not both"),
        (lambda: RIDES.query(time=date(2024, 1, 1), time_partition=date(2024, 1, 1)), "give one"),
        (lambda: RIDES.query(region=[]), "empty list"),
        (lambda: RIDES.query(region=object()), "has no partition string"),
        (lambda: RIDES.query(time=("2024-01",)), "two ends"),
        (lambda: RIDES.query(time=5), "must be a time"),
        (lambda: RIDES.query(time=[]), "empty list"),
        (lambda: RIDES.query(time=("2024-03", "2024-01")), "goes backwards"),
        (lambda: RIDES.query(time=(date(2024, 3, 2), "2024-03-01")), "goes backwards"),
        (lambda: RIDES.query(region=""), "partition 'region' in a query of 'rides': '' cannot be a partition value"),
        (lambda: OTHER.partition_values("time"), "not time-partitioned"),
        (
            lambda: RIDES.query(region=OTHER.partitions.region, time_partition=MONTHLY.time_partition),
            "several artifacts: 'other', 'monthly'",
        ),
    ],
)
def test_mistakes_are_found_when_declared(make, cause):
    with pytest.raises(DeclarationError, match=cause):
        make()


def test_times_and_places_are_checked_when_declared():
    with pytest.raises(PartitionError, match="'soon', which is not a time"):
        RIDES.query(time=("soon", None))
    with pytest.raises(InvalidRefName, match="cannot be a project"):
        RIDES.query(project="a/b")
    with pytest.raises(InvalidRefName, match="cannot be a domain"):
        RIDES.query(domain="a/b")
    # An end that holds the other is no way back.
    assert wanted(RIDES.query(time=("2024-03-05", "2024-03"))).times == TimeRange("2024-03-05", "2024-03")
    assert wanted(RIDES.query(time=("2024", "2024-03"))).times == TimeRange("2024", "2024-03")


def test_placeholders_are_filled_in():
    query = RIDES.query(region=Inputs.region, time_partition=Inputs.kickoff - DAY)
    asked = wanted(query, region="ZRH", kickoff=datetime(2024, 5, 1, 12))
    assert asked.keys == (("region", ("ZRH",)),)
    assert asked.times == ("2024-04-30",)
    assert asked.partition.text == "region=ZRH,time=2024-04-30"


def test_partitions_may_be_given_as_a_dict():
    assert RIDES.query(partitions={"region": "ZRH"}) == RIDES.query(region="ZRH")


def test_times_are_truncated_to_the_granularity():
    assert wanted(MONTHLY.query(time=Inputs.t), t=date(2024, 5, 17)).times == ("2024-05",)
    assert wanted(MONTHLY.query(time=date(2024, 5, 17))).times == ("2024-05",)


def test_one_foreign_artifact_may_be_referred_to():
    query = MONTHLY.query(region=OTHER.partitions.region)
    assert [facts.name for facts in query.references] == ["other"]
    assert wanted(query, {OTHER: Reference({"region": "ZRH"}, None)}).keys == (("region", ("ZRH",)),)
    with pytest.raises(PartitionError, match=r"needs other\.partitions\.region, which is not known here"):
        wanted(query)


def test_the_time_of_another_artifact_is_moved_and_truncated():
    query = MONTHLY.query(time_partition=RIDES.time_partition - DAY)
    assert wanted(query, {RIDES: Reference({}, "2024-03-01")}).times == ("2024-02",)
    chained = MONTHLY.query(time_partition=RIDES.time_partition - DAY - 30 * DAY)
    assert wanted(chained, {RIDES: Reference({}, "2024-03-01")}).times == ("2024-01",)


def test_an_artifact_may_refer_to_itself_and_one_other():
    query = RIDES.query(time_partition=RIDES.time_partition - DAY, region=OTHER.partitions.region)
    assert len(query.references) == 2


def test_bound():
    assert RIDES.query(region="x", kind="y", time=date(2024, 1, 1)).bound
    assert not RIDES.query(region="x", time=date(2024, 1, 1)).bound
    assert not RIDES.query(region="x", kind="y").bound
    assert RIDES.query(region=Inputs.r, kind="y", time=Inputs.t).bound
    assert PLAIN.query().bound


def test_lists_and_ranges():
    asked = wanted(RIDES.query(region=["EWR", "JFK"], time=("2024-01", Inputs.last)), last=date(2024, 3, 5))
    assert asked.keys == (("region", ("EWR", "JFK")),)
    assert asked.times == TimeRange("2024-01", "2024-03-05")
    assert asked.partition is None
    assert asked.matches({"region": "JFK", "kind": "x"}, "2024-03-05")
    assert not asked.matches({"region": "JFK"}, "2024-03-06")
    assert not asked.matches({"region": "LGA"}, "2024-02-01")
    assert not asked.matches({"region": "JFK"}, None)


def test_coarse_ends_of_a_range_hold_all_of_their_time():
    asked = wanted(RIDES.query(time=("2024-01", "2024-03")))
    assert asked.matches({}, "2024-03-31")
    assert not asked.matches({}, "2024-04-01")
    assert not asked.matches({}, "2023-12-31")
    assert wanted(RIDES.query(time=(None, "2024"))).matches({}, "2024-12-31")


def test_an_input_may_hold_a_list():
    assert wanted(RIDES.query(region=Inputs.regions), regions=["EWR", "JFK"]).keys == (("region", ("EWR", "JFK")),)


def test_several_times():
    asked = wanted(RIDES.query(time=[date(2024, 1, 1), "2024-02-01"]))
    assert asked.times == ("2024-01-01", "2024-02-01")


def test_strict_wants_the_exact_partition():
    asked = wanted(RIDES.query(region=["EWR"], strict=True))
    assert asked.matches({"region": "EWR"}, None)
    assert not asked.matches({"region": "EWR", "kind": "x"}, None)
    assert not asked.matches({"region": "EWR"}, "2024-01-01")


def test_scope_and_version():
    pinned = Artifact(name="x", version="v1", project="p", domain="d")
    asked = wanted(pinned.query(domain="other"))
    assert (asked.project, asked.domain, asked.version) == ("p", "other", "v1")


def test_fixed_values_are_asked_for():
    assert wanted(Artifact(name="x", partitions={"region": "LAX"}).query()).keys == (("region", ("LAX",)),)


def test_queries_say_what_they_are():
    query = RIDES.query(region=Inputs.region, time_partition=Inputs.t - DAY, strict=True)
    assert repr(query) == (
        "rides.query(region=Inputs.region, time_partition=Inputs.t - datetime.timedelta(days=1), strict=True)"
    )
    assert str(wanted(RIDES.query(region=["a", "b"], time=("2024-01", None)))) == (
        "rides.query(region=['a', 'b'], time=('2024-01', None))"
    )


def test_missing_inputs_are_named():
    with pytest.raises(PartitionError, match="needs the input 'region'"):
        wanted(RIDES.query(region=Inputs.region))
