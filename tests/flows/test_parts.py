"""Partitions as data: tables of what is there, and one lazy dataset over them."""

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyarrow import parquet

from cas.errors import CodecError, DeclarationError, RefNotFound, UsageError
from cas.flows import Artifact, task

RIDES = Artifact(name="rides", partition_keys=["region"], time_partitioned=True)
PLACES = [("EWR", "2024-01-31"), ("EWR", "2024-02-01"), ("JFK", "2024-02-01"), ("LGA", "2024-04-01")]


def frame(region: str, day: str) -> pa.Table:
    return pa.table({"n": [1, 2], "name": [f"{region} {day} a", "b"], "wide": [b"x" * 1000] * 2})


@pytest.fixture
def rides(repo):
    repo.put_many([(frame(region, day), f"rides@region={region},time={day}") for region, day in PLACES])
    return repo


def test_a_row_for_each_partition(rides):
    table = RIDES.table(region="*", time=("2024-01", "2024-03"))
    assert isinstance(table, pd.DataFrame)
    assert list(table.columns) == [
        "region", "time", "version", "type", "size", "created", "id", "literal", "span",
    ]  # fmt: skip
    assert list(zip(table["region"], table["time"], strict=True)) == PLACES[:3]
    first = rides.resolve("rides@region=EWR,time=2024-01-31")
    assert table.loc[0, ["version", "id", "literal", "size"]].tolist() == [
        first.version, first.id, first.literal_id, first.size,
    ]  # fmt: skip
    assert table["created"][0].to_pydatetime() == first.created
    assert table["span"].isna().all()
    assert RIDES.table(pa.Table, region="EWR").num_rows == 2
    assert RIDES.query(region=["JFK", "LGA"]).table(pa.Table)["region"].to_pylist() == ["JFK", "LGA"]


def test_patterns(rides):
    assert RIDES.table(region="?W*")["region"].tolist() == ["EWR", "EWR"]
    assert RIDES.table(partitions={"region": "*"}, time="2024-02-01")["region"].tolist() == ["EWR", "JFK"]
    assert RIDES.table(region="Z*").empty
    assert RIDES.table(region=["E*", "JFK"])["region"].tolist() == ["EWR", "EWR", "JFK"]
    assert len(RIDES.table(region="E*", time="*")) == 2
    with pytest.raises(DeclarationError, match="not time-partitioned"):
        Artifact(name="untimed").table(time="*")
    with pytest.raises(DeclarationError, match="maps keys to values"):
        RIDES.table(partitions=["region"])
    with pytest.raises(DeclarationError, match="no partition key 'colour'"):
        RIDES.table(colour="*")
    with pytest.raises(UsageError, match="for pandas or pyarrow"):
        RIDES.table(int)


def test_what_an_open_span_holds_back_counts(rides):
    with rides.span("x"):
        made = rides.put(frame("ZRH", "2024-05-01"), "rides@region=ZRH,time=2024-05-01")
        assert RIDES.table(region="ZRH")["id"].tolist() == [made.id]
        assert RIDES.dataset(region="ZRH").count_rows() == 2


def test_facts_give_way_to_keys_of_their_name(repo):
    repo.put(1, "x@size=big")
    table = Artifact(name="x", partition_keys=["size"]).table()
    assert table["size"].tolist() == ["big"]
    assert table["size_"].tolist() == [1]


def test_one_dataset_with_the_partition_columns(rides):
    dataset = RIDES.dataset(time=("2024-02", None))
    assert dataset.schema.names == ["n", "name", "wide", "region", "time"]
    table = dataset.to_table()
    assert table["region"].to_pylist() == ["EWR", "EWR", "JFK", "JFK", "LGA", "LGA"]
    assert dataset.count_rows() == 6
    assert dataset.count_rows(pc.field("n") == 2) == 3
    assert dataset.head(3, columns=["time"])["time"].to_pylist() == ["2024-02-01"] * 3
    assert dataset.scanner(columns=["n"]).to_table().num_rows == 6
    assert pl.from_arrow(pa.RecordBatchReader.from_stream(dataset)).height == 6
    assert dataset.to_pandas(["n"])["n"].sum() == 9


@pytest.fixture
def opened(rides, monkeypatch):
    """The refs and blobs that are read."""
    seen: list[int] = []
    read = type(rides.objects).read

    def counting(self, ident, kind=None):
        payload = read(self, ident, kind)
        seen.append(len(payload))
        return payload

    monkeypatch.setattr(type(rides.objects), "read", counting)
    return seen


def test_what_a_filter_rules_out_is_not_opened(rides, opened):
    dataset = RIDES.dataset()
    _ = dataset.schema
    del opened[:]
    assert dataset.pruned((pc.field("region") == "EWR") & (pc.field("time") > "2024-01-31")) == [dataset.versions[1]]
    assert dataset.filter(pc.field("region") == "none").to_table().num_rows == 0
    assert dataset.filter(pc.field("region").isin(["JFK", "LGA"])).filter(pc.field("time") < "2024-03").versions == [
        dataset.versions[2]
    ]
    assert opened == []
    found = dataset.to_table(["name"], (pc.field("region") == "JFK") & (pc.field("n") == 2))
    assert found.to_pylist() == [{"name": "b"}]
    assert max(opened) < 1000, "the wide column was read"


def test_frames_of_all_kinds(repo, tmp_path):
    table = pa.table({"n": [1], "s": ["x"]})
    parquet.write_table(table, tmp_path / "a.parquet")
    indexed = pd.DataFrame({"n": [1], "s": ["x"], "more": [2.0]}).set_index("n")
    values = [table, table.to_batches()[0], table.to_pandas(), pl.from_arrow(table), tmp_path / "a.parquet", indexed]
    repo.put_many([(value, f"t@k={n}") for n, value in enumerate(values)])
    tables = Artifact(name="t", partition_keys=["k"])
    assert tables.dataset().to_table().to_pylist() == [{"n": 1, "s": "x", "k": str(n)} for n in range(len(values))]
    assert tables.dataset().to_table(["s"], pc.field("n") == 1).num_rows == len(values)
    wider = tables.dataset().with_schema(pa.schema({"more": pa.float32(), "k": pa.string()}))
    assert wider.to_table()["more"].to_pylist() == [None] * 5 + [2.0]


def test_what_is_no_table(repo):
    repo.put(pa.table({"n": [1]}), "t@k=0")
    repo.put(5, "t@k=1")
    tables = Artifact(name="t", partition_keys=["k"])
    with pytest.raises(CodecError, match=r"t@k=1#.* is a int, not a table"):
        tables.dataset().to_table()
    with pytest.raises(UsageError, match="no column 'x'"):
        tables.dataset(k="0").to_table(["x"])
    with pytest.raises(UsageError, match="does not fit"):
        tables.dataset(k="0").to_table(filter=pc.field("x") == 1)
    with pytest.raises(RefNotFound, match="no partition matches"):
        _ = tables.dataset(k="9").schema
    repo.put(pa.table({"n": ["no number"]}), "t@k=1")
    with pytest.raises(CodecError, match=r"column 'n' of t@k=1#.* does not go into int64"):
        tables.dataset().to_table()


def test_a_span_that_reads_a_dataset_has_the_partitions_as_inputs(rides):
    @task
    def rides_of(region: str) -> int:
        return RIDES.dataset(region=region).count_rows()

    assert rides_of("EWR") == 4
    (span,) = rides.spans(label="rides_of")
    assert [link.ref.partition("#")[0] for link in rides.inputs(span.id) if link.artifact] == [
        f"rides@region=EWR,time={day}" for _, day in PLACES[:2]
    ]
