"""A repository as it was: what the pure rules say of the entries up to then, in every question; and read-only."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cas
from cas.catalog.catalog import Catalog
from cas.catalog.ingest import Ingest
from cas.catalog.past import Cut, PastCatalog
from cas.errors import ReadOnly, RefNotFound, RefSyntax, SpanNotFound, UsageError
from cas.refs.entries import AliasEntry, DeclareEntry, DeleteEntry, Entry, VersionEntry
from cas.refs.history import History
from cas.refs.names import Name
from cas.refs.partitions import EMPTY, Granularity, Partition
from cas.repository import Repository

PARTITIONS = [EMPTY, Partition.of({"k": "a"}), Partition.of({"k": "b"}), Partition.of({"k": "a"}, "2024-05")]
LITERALS = ["1" * 64, "2" * 64, "3" * 64]
NAME = Name("default", "main", "n")
DAY = 86_400_000_000
START = 1_714_521_600_000_000  # 2024-05-01


@st.composite
def entries(draw: st.DrawFn) -> list[Entry]:
    found: list[Entry] = []
    for number in range(draw(st.integers(1, 30))):
        partition = draw(st.sampled_from(PARTITIONS))
        write, stamp = f"{number:032x}", draw(st.integers(1, 12))
        kind = draw(st.integers(0, 7))
        if kind == 0:
            version = draw(st.sampled_from([None, LITERALS[0][:12]]))
            alias = draw(st.sampled_from([None, "prod"])) if version is None else None
            found.append(DeleteEntry("n", partition, version, alias, stamp, write))
        elif kind == 1:
            found.append(AliasEntry("n", partition, "prod", draw(st.sampled_from(LITERALS))[:12], (), stamp, write))
        elif kind == 2:
            keys = draw(st.sampled_from([("k",), ("k", "m")]))
            found.append(DeclareEntry("n", keys, Granularity.MONTH, None, None, stamp, write))
        else:
            literal = draw(st.sampled_from(LITERALS))
            found.append(VersionEntry("n", partition, literal[:12], literal, "a" * 64, None, stamp, write))
    return found


@settings(max_examples=100)
@given(entries(), st.integers(0, 13))
def test_what_the_pure_rules_say_of_then(found: list[Entry], until: int) -> None:
    catalog = Catalog(None, "owner", _no_read)
    with catalog.database.writing() as connection:
        connection.execute("INSERT INTO log VALUES (1, 'default', 'main', 1, '', 0)")
        Ingest(connection, 1).add(found)
    past = PastCatalog(catalog, Cut(until))
    tips = {}
    for partition in PARTITIONS:
        mine = [one for one in found if not isinstance(one, DeclareEntry) and one.partition == partition]  # type: ignore[union-attr]
        then = History(mine).at(until)  # type: ignore[arg-type]
        row = past.refs.tip(NAME, partition)
        assert (row and row.write) == (then.tip and then.tip.write)
        number = past.refs.ref_number(NAME, partition)
        left = History(past.refs.entries(number)) if number is not None else History(())
        assert left.entries == then.entries
        assert left.heads("prod") == then.heads("prod")
        if then.tip is not None:
            tips[partition] = then.tip
    for query in PARTITIONS:
        matching = {tip.write for partition, tip in tips.items() if partition.contains(query)}
        assert {one.write for one in past.refs.tips(NAME, query)} == matching
        row = past.refs.latest(NAME, query)
        assert (row and row.stamp) == max((t.stamp for p, t in tips.items() if p.contains(query)), default=None)
    assert set(past.refs.values(NAME, "k")) == {dict(one.keys)["k"] for one in tips if one.keys}
    said = [one for one in found if isinstance(one, DeclareEntry) and one.stamp <= until]
    declared = past.refs.declared(NAME)
    if said:
        assert declared is not None
        assert declared.keys in {one.keys for one in said if one.stamp == max(each.stamp for each in said)}
    else:
        assert declared is None or declared.keys is None
    assert (declared is None) == (not any(entry.stamp <= until for entry in found))
    past.close()
    catalog.close()


def _no_read(*_: object) -> bytes:
    raise AssertionError("no record is needed")


class Clock:
    """A clock that stands until it is moved; each look is a microsecond later."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> int:
        self.time += 1
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def repo(tmp_path: Path, clock: Clock):
    repository = cas.init(tmp_path, now=clock)
    yield repository
    repository.close()


def story(repo: Repository, clock: Clock) -> None:
    """A publication a day: 1 to 3 May."""
    repo.put("one", "x@k=a")
    repo.alias("x@k=a", "prod")
    clock.time = START + DAY
    with repo.span("second"):
        repo.put(repo.get("x@k=a") + "!", "x@k=b")
    repo.declare("y", keys=["a"])
    clock.time = START + 2 * DAY
    repo.put("three", "x@k=a")
    repo.alias("x@k=a", "prod")
    repo.delete("x@k=b")
    repo.declare("y", keys=["b"])
    with repo.span("third"):
        repo.resolve("x@k=a")


def test_names_partitions_aliases_and_spans_are_those_of_then(repo: Repository, clock: Clock) -> None:
    story(repo, clock)
    past = repo.at("2024-05-02T12:00")
    assert past.get("x@k=a") == past.get("x#prod") == "one"
    assert past.get("x") == "one!"
    assert [one.ref.partition("#")[0] for one in past.find("x")] == ["x@k=b", "x@k=a"]
    assert [info.name for info in past.names()] == ["x", "y"]
    assert past.declaration("y").keys == ("a",)  # type: ignore[union-attr]
    assert [span.label for span in past.spans()] == ["second"]
    assert [span.label for span in past.consumers("x@k=a")] == ["second"]
    assert past.producer("x").label == "second"  # type: ignore[union-attr]
    assert [one.get() for one in past.log("x")] == ["one!", "one"]
    assert past.lineage("x").to_dict()["children"]
    assert repo.get("x#prod") == "three"
    first = repo.at("2024-05-01T12:00")
    assert [info.name for info in first.names()] == ["x"]
    assert first.spans() == []
    with pytest.raises(RefNotFound, match="k=b"):
        first.resolve("x@k=b")
    with pytest.raises(SpanNotFound):
        first.span_info(repo.spans()[0].id)
    assert repo.at(date(2024, 5, 1)).names() == []
    with repo.at("2024-05-02") as current:
        assert cas.get("x#prod") == "one"
        assert cas.current() is current


@pytest.mark.parametrize(
    "when",
    [
        "2024-05-02T12",
        "@{2024-05-02T12:00}",
        datetime(2024, 5, 2, 12),
        datetime(2024, 5, 2, 14, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_ways_to_say_when(repo: Repository, clock: Clock, when: str | datetime) -> None:
    story(repo, clock)
    assert repo.at(when).until == START + DAY + DAY // 2
    assert repo.at(when).get("x") == "one!"


def test_stamps_count_up_to_and_with_the_moment(repo: Repository) -> None:
    version = repo.put(1, "x")
    assert version.stamp is not None
    moment = cas.repository.repository.clock.to_datetime(version.stamp)
    assert repo.at(moment).resolve("x") == version
    with pytest.raises(RefNotFound):
        repo.at(moment - timedelta(microseconds=1)).resolve("x")


def test_segments_back(repo: Repository, clock: Clock) -> None:
    repo.put(1, "x")
    repo.put(2, "x")
    repo.put("elsewhere", "p/d/z")
    repo.put_many([(3, "x"), (4, "y")])
    assert repo.at("@{0}").get("y") == 4
    before = repo.at("@{1}")
    assert before.get("x") == 2
    assert [info.name for info in before.names()] == ["x"]
    assert before.names("*/*/*")[0].name == "x"
    assert repo.at("@{2}").get("x") == 1
    assert repo.at("@{3}").names("*/*/*") == []
    with pytest.raises(RefNotFound, match="has 3 segments, so none 4 back"):
        repo.at("@{4}")


def test_it_stands_still(repo: Repository) -> None:
    repo.put(1, "x")
    past = repo.at("@{0}")
    repo.put(2, "x")
    repo.put(2, "y")
    assert past.get("x") == 1
    assert [info.name for info in past.names()] == ["x"]


def test_it_can_only_be_read(repo: Repository) -> None:
    repo.put(1, "x")
    past = repo.at("@{0}")
    for change in (
        lambda: past.put(2, "x"),
        lambda: past.put_many([(2, "x")]),
        past.batch,
        lambda: past.alias("x", "prod"),
        lambda: past.delete("x"),
        lambda: past.declare("z"),
        lambda: past.span("s"),
        past.session.writer,
        lambda: past.push("origin"),
    ):
        with pytest.raises(ReadOnly, match="can only be read"):
            change()
    assert repo.log() == [repo.resolve("x")]
    assert past.plan_delete("x").what == ("x",)


@pytest.mark.parametrize("when", ["yesterday", "3", "", "x", "@{2024-13}", "~1", "2024-05-01}@{1"])
def test_what_is_no_time(repo: Repository, when: str) -> None:
    with pytest.raises(RefSyntax):
        repo.at(when)
    for other in (5, None):
        with pytest.raises(UsageError, match="is no time"):
            repo.at(other)  # type: ignore[arg-type]  # what a caller without a type checker may give


def test_reading_it_inside_a_span_is_an_input(repo: Repository) -> None:
    first = repo.put(1, "x")
    past = repo.at("@{0}")
    repo.put(2, "x")
    with repo.span("reads") as span:
        assert past.get("x") == 1
        repo.put(5, "held")
        with pytest.raises(RefNotFound):
            past.resolve("held")
    assert [(link.artifact, link.ref, link.asked) for link in repo.inputs(span.id)] == [
        (first.id, first.ref, first.ref)
    ]


def test_spans_entered_again_and_deleted_since(repo: Repository, clock: Clock) -> None:
    with repo.span("s") as span:
        span.log(1, "a")
    clock.time = START + DAY
    with repo.span_again(span.id) as again:
        again.log(2, "b")
    clock.time = START + 2 * DAY
    with repo.span("open then") as late:
        clock.time = START + 3 * DAY
    assert [one.label for one in repo.outputs(span.id)] == ["a", "b"]
    assert [one.label for one in repo.at("2024-05-01T12").outputs(span.id)] == ["a"]
    assert [one.label for one in repo.at("2024-05-02T12").outputs(span.id)] == ["a", "b"]
    past = repo.at("2024-05-03T12")
    assert past.span_info(late.id).status == "open"
    assert [info.label for info in past.spans(status="open")] == ["open then"]
    assert [info.label for info in past.spans(status="ok")] == ["s"]
    clock.time = START + 4 * DAY
    with repo:
        cas.delete_span(span.id)
    assert [info.label for info in repo.spans()] == ["open then"]
    again_then = repo.at("2024-05-02T12")
    assert [info.label for info in again_then.spans()] == ["s"]
    assert [one.label for one in again_then.outputs(span.id)] == ["a", "b"]


def test_an_open_span_that_no_log_names(repo: Repository, clock: Clock) -> None:
    with repo.span("now open"):
        assert [info.label for info in repo.at("@{0}").spans()] == ["now open"]
        assert repo.at("2024-04-30").spans() == []


def test_the_past_of_the_past(repo: Repository, clock: Clock) -> None:
    story(repo, clock)
    past = repo.at("2024-05-02T12")
    assert past.at("2024-05-01T12").spans() == []
    with pytest.raises(ReadOnly, match="is after"):
        past.at("2024-05-03")


def test_status_and_a_whole_check(repo: Repository) -> None:
    repo.put(1, "x")
    past = repo.at("@{0}")
    repo.put(2, "y")
    assert past.status().names == 1
    assert past.fsck().ok
