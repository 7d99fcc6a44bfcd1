"""Where Artigraph fails, and what holds here instead: a test for each case."""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import pytest

import cas
from cas import aio
from cas.errors import CodecError, ReadOnly, RefNotFound, SpanError, SpanNotFound, UsageError


@dataclass
class Plain(cas.ArtifactModel, version=1):
    x: int


@dataclass
class Empty(cas.ArtifactModel, version=1):
    pass


@dataclass
class Holds(cas.ArtifactModel, version=1):
    value: Any


@pytest.fixture
def repo(tmp_path):
    with cas.init(tmp_path) as repository:
        yield repository
    repository.close()


def test_the_document_as_printed_with_top_level_names(repo):
    """tests/models/document runs it block by block; here the names that Artigraph's own package lacks."""
    for name in (
        "create_span_artifact",
        "read_span_artifact",
        "read_parent_span",
        "read_child_artifacts",
        "artifact_field",
    ):
        assert hasattr(cas, name)
        assert hasattr(aio, name)
    with cas.span_context(label="both"):
        cas.create_span_artifact("current", label="as-data", data=Plain(1))
        cas.create_span_artifact("current", label="as-artifact", artifact=Plain(1))
        with pytest.raises(SpanError, match="give the artifact's value once"):
            cas.create_span_artifact("current", label="none")


def test_serializer_and_storage_of_a_field_are_honoured(repo, tmp_path):
    place = cas.FileSystem(tmp_path / "place")

    @dataclass
    class Kept(cas.ArtifactModel, version=1):
        value: Any = cas.artifact_field(serializer=cas.json_serializer, storage=place)

    artifact = Kept({"a": 1}).create("kept")
    assert [path.read_bytes() for path in place.directory.iterdir() if path.is_file()] == [b'{"a":1}']
    assert Kept.read(artifact) == Kept({"a": 1})


def test_a_label_is_taken_once(repo):
    with cas.span_context(label="span") as span:
        cas.create_span_artifact("current", label="a", data=1)
        with pytest.raises(SpanError, match="already has an artifact labelled 'a'; nothing was stored"):
            cas.create_span_artifact("current", label="a", data=2)
        with pytest.raises(SpanError):
            cas.create_span_artifacts("current", {"b": 1, "a": 2})
    assert cas.read_span_artifacts(span.node_id) == {"a": 1}
    with pytest.raises(SpanError, match="already has an artifact labelled 'a'"):
        cas.create_span_artifact(span.node_id, label="a", data=3)
    assert cas.read_span_artifacts(span.node_id) == {"a": 1}


def test_missing_things_are_typed_errors(repo):
    with cas.span_context(label="span") as span:
        cas.create_span_artifact("current", label="a", data=1)
    with pytest.raises(RefNotFound, match="it has: 'a'"):
        cas.read_span_artifact(span.node_id, label="b")
    with pytest.raises(SpanNotFound):
        cas.read_span_artifacts("0" * 64)
    with pytest.raises(UsageError):
        cas.read_span_artifacts("zz")
    for outside in (cas.get_current_span_id, lambda: cas.read_parent_span("current"), cas.current_span):
        with pytest.raises(SpanError, match="no span is open here") as caught:
            outside()
        assert "span_context(label=" in caught.value.hint
    assert cas.get_current_span_id(allow_none=True) is None


def test_child_artifacts_of_a_span_with_child_spans_of_any_kind(repo):
    class Kind(cas.Span):
        number: int = 0

    with cas.span_context(label="outer") as outer:
        cas.create_span_artifact("current", label="a", data=Plain(1))
        with cas.span_context(Kind(number=3)):
            cas.create_span_artifact("current", label="b", data=Plain(2))
        with cas.span_context(label="plain"):
            pass
    assert [(one.label, one.value) for one in cas.read_child_artifacts(outer.node_id)] == [("a", Plain(1))]
    assert [type(one) for one in cas.read_child_spans(outer.node_id)] == [Kind, cas.Span]
    assert [one.value for one in cas.read_descendant_artifacts(outer.node_id)] == [Plain(1), Plain(2)]


def test_results_come_in_order(repo):
    with cas.span_context(label="root") as root:
        for number in (3, 1, 2):
            cas.create_span_artifact("current", label=f"l{number}", data=number)
            with cas.span_context(label=f"s{number}"), cas.span_context(label=f"below{number}") as below:
                pass
    assert list(cas.read_span_artifacts(root)) == ["l3", "l1", "l2"]
    assert [one.label for one in cas.read_child_spans(root)] == ["s3", "s1", "s2"]
    assert [one.label for one in cas.read_descendant_spans(root)] == ["s3", "s1", "s2", "below3", "below1", "below2"]
    assert [one.label for one in cas.read_ancestor_spans(below)] == ["s2", "root"]


@pytest.mark.parametrize(
    "value",
    [
        (1, (2, 3)),
        {1: 2, "a": {None: 1}},
        {1, 2},
        frozenset({"a"}),
        datetime(2024, 5, 1, tzinfo=timezone(timedelta(hours=2))),
        [Plain(1), Plain(2)],
        (Plain(1), {"k": Plain(2)}),
        b"bytes",
        2**100,
        None,
    ],
    ids=repr,
)
def test_values_come_back_equal_and_of_their_type(repo, value):
    with cas.span_context(label="span") as span:
        cas.create_span_artifacts("current", {"bare": value, "in a model": Holds(value)})
    back = cas.read_span_artifacts(span)
    assert back["bare"] == value
    assert type(back["bare"]) is type(value)
    assert back["in a model"] == Holds(value)


def test_nan_comes_back(repo):
    with cas.span_context(label="span") as span:
        cas.create_span_artifacts("current", {"nan": math.nan, "model": Holds([math.nan])})
    back = cas.read_span_artifacts(span)
    assert math.isnan(back["nan"])
    assert math.isnan(back["model"].value[0])


def test_models_without_fields_and_empty_mappings(repo):
    with cas.span_context(label="span") as span:
        cas.create_span_artifacts(
            "current", {"empty": Empty(), "mapping": {}, "within": Holds({"a": {}, "b": Empty()})}
        )
    assert cas.read_span_artifacts(span) == {"empty": Empty(), "mapping": {}, "within": Holds({"a": {}, "b": Empty()})}
    with cas.span_context(label="nothing") as nothing:
        cas.create_span_artifacts("current", {})
    assert cas.read_span_artifacts(nothing) == {}


def test_each_record_migrates_by_its_own_version(repo):
    from cas.models import classes

    @dataclass
    class Inner1(cas.ArtifactModel, version=1, name="fails.inner"):
        x: int

    @dataclass
    class Outer(cas.ArtifactModel, version=2, name="fails.outer"):
        inner: Any

        @classmethod
        def migrate(cls, version, data):
            raise AssertionError("the parent is of its own version")

    artifact = Outer(Inner1(1)).create("outer")
    del classes._BY_NAME["fails.inner"]
    seen = []

    @dataclass
    class Inner2(cas.ArtifactModel, version=2, name="fails.inner"):
        y: int

        @classmethod
        def migrate(cls, version, data):
            seen.append((version, data))
            return cls(data["x"])

    assert Outer.read(artifact) == Outer(Inner2(1))
    assert seen == [(1, {"x": 1})]


def test_a_field_that_fails_leaves_nothing_and_is_named(repo):
    @dataclass
    class Two(cas.ArtifactModel, version=1):
        good: Any
        bad: Any = cas.artifact_field(serializer=cas.json_serializer)

    with cas.span_context(label="span") as span:
        with pytest.raises(CodecError, match=r"Two\.bad"):
            cas.create_span_artifact("current", label="two", data=Two([1], object()))
        with pytest.raises(CodecError, match=r"Two\.bad"):
            cas.create_span_artifacts("current", {"fine": 1, "two": Two([1], object())})
        cas.create_span_artifact("current", label="after", data=1)
    assert cas.read_span_artifacts(span) == {"after": 1}
    with pytest.raises(CodecError, match=r"Two\.bad"):
        Two(1, {1}).create("two")
    with pytest.raises(LookupError):
        cas.get("two")


@pytest.mark.parametrize(
    "value",
    [
        {"__is_artifact_model__": True, "model_type": "Plain", "model_version": 1},
        {"model": "tests.models.test_where_artigraph_fails:Plain", "version": 1, "fields": {"x": 1}},
        {"storage": "s3", "location": "x", "blob": b"0" * 32, "size": 1, "by": []},
        {"literal": ["int", 1, b"0" * 32, 1]},
    ],
    ids=["artigraph", "model", "stored", "record"],
)
def test_values_that_look_like_metadata_are_values(repo, value):
    with cas.span_context(label="span") as span:
        cas.create_span_artifacts("current", {"bare": value, "model": Holds(value)})
    back = cas.read_span_artifacts(span)
    assert back == {"bare": value, "model": Holds(value)}
    assert type(back["bare"]) is dict


def test_one_artifact_of_an_unknown_class_reads_as_a_record(repo):
    from cas.models import classes

    @dataclass
    class Gone(cas.ArtifactModel, version=3, name="fails.gone"):
        x: int

    with cas.span_context(label="span") as span:
        cas.create_span_artifacts("current", {"gone": Gone(5), "there": Plain(1)})
    del classes._BY_NAME["fails.gone"]
    back = cas.read_span_artifacts(span)
    assert back["there"] == Plain(1)
    assert isinstance(back["gone"], cas.ModelRecord)
    assert (back["gone"].model, back["gone"].version, back["gone"].x) == ("fails.gone", 3, 5)


def test_deleting_an_artifact_is_a_tombstone(repo):
    frame = pd.DataFrame({"a": np.arange(1000)})
    with cas.span_context(label="span") as span:
        ids = cas.create_span_artifacts("current", {"one": Holds(frame), "two": Holds(frame), "three": 3})
    with cas.span_context(label="reader") as reader:
        cas.read_span_artifact(span, label="one")
    plan = cas.plan_delete_artifact(ids["one"])
    assert [info.id for info in plan.dependents] == [reader.node_id]
    assert list(cas.read_span_artifacts(span)) == ["one", "two", "three"]
    assert cas.delete_artifact(ids["one"]) == plan
    assert list(cas.read_span_artifacts(span)) == ["two", "three"]
    # the bytes are shared, and stay
    pd.testing.assert_frame_equal(cas.read_span_artifact(span, label="two").value, frame)
    assert repo.find(cas.ArtifactFilter(label="one")) == []
    assert repo.fsck().ok


def test_deleting_a_published_model(repo):
    first = Plain(1).create("plain")
    Plain(2).create("plain")
    Plain(1).create("other")
    assert len(cas.delete_artifact("plain").refs) == 1
    assert cas.get("plain") == Plain(1)
    assert cas.get("other") == Plain(1)
    # by its id: under whatever name
    assert {ref.partition("#")[0] for ref in cas.delete_artifact(first).refs} == {"plain", "other"}
    for name in ("plain", "other"):
        with pytest.raises(RefNotFound):
            cas.get(name)
    assert cas.get(first) == Plain(1)


def test_nothing_is_deleted_in_the_past(repo):
    with cas.span_context(label="span") as span:
        ident = cas.create_span_artifact("current", label="a", data=1)
    with repo.at("@{0}"):
        assert cas.plan_delete_span(span).artifacts == cas.plan_delete_artifact(ident).artifacts == [ident]
        for delete, what in ((cas.delete_span, span), (cas.delete_artifact, ident)):
            with pytest.raises(ReadOnly):
                delete(what)
    assert cas.read_span_artifacts(span) == {"a": 1}


def test_what_was_deleted_under_one_name_is_left_alone_by_the_id(repo):
    first = Plain(1).create("plain")
    assert Plain(1).create("other") == first
    cas.delete("other")
    assert [version.name for version in repo.find(cas.ArtifactFilter(model=Plain))] == ["plain"]
    assert repo.show(first).name == "plain"
    assert [ref.partition("#")[0] for ref in cas.delete_artifact(first).refs] == ["plain"]
    with pytest.raises(RefNotFound):
        cas.get("plain")


def test_deleting_a_span_takes_what_is_below_it(repo):
    with cas.span_context(label="root") as root:
        with cas.span_context(label="gone") as gone:
            cas.create_span_artifact("current", label="a", data=1)
            with cas.span_context(label="below") as below:
                cas.create_span_artifact("current", label="b", data=2)
        with cas.span_context(label="stays") as stays:
            pass
        with pytest.raises(SpanError, match="is open"):
            cas.delete_span(root)
    plan = cas.plan_delete_span(gone)
    assert plan.spans == [gone.node_id, below.node_id]
    cas.delete_span(gone)
    assert cas.read_descendant_spans(root) == [stays]
    assert cas.read_descendant_artifacts(root) == []
    for deleted in (gone, below):
        with pytest.raises(SpanNotFound, match="was deleted"):
            cas.read_span_artifacts(deleted)
        with pytest.raises(SpanNotFound, match="was deleted"), cas.span_context(deleted):
            pass
    assert {one.label for one in repo.spans()} == {"root", "stays"}
    assert {one.label for one in repo.spans(cas.Span)} == {"root", "stays"}
    # a catalog made anew says the same
    repo.catalog.database.rebuild()
    assert cas.read_descendant_spans(root) == [stays]


def test_what_open_spans_read_is_listed_before_it_goes(repo):
    with cas.span_context(label="made") as made:
        cas.create_span_artifact("current", label="a", data=1)
    with cas.span_context(label="open"):
        with cas.span_context(label="closed inside"):
            cas.read_span_artifact(made, label="a")
        assert [one.label for one in cas.plan_delete_span(made).dependents] == ["closed inside"]
        cas.read_span_artifacts(made)
        assert [one.label for one in cas.plan_delete_span(made).dependents] == ["open", "closed inside"]
    assert [one.label for one in cas.plan_delete_span(made).dependents] == ["open", "closed inside"]


def test_times_are_aware_and_a_failure_is_kept(repo):
    with pytest.raises(ZeroDivisionError), cas.span_context(label="fails") as span:
        cas.create_span_artifact("current", label="before", data=1)
        _ = 1 // 0
    for known in (span, cas.read_span(span.node_id)):
        assert known.status == "failed"
        assert known.error["type"] == "ZeroDivisionError"
        assert known.opened_at.tzinfo is timezone.utc
        assert known.opened_at < known.closed_at
    assert cas.read_span_artifacts(span) == {"before": 1}
    assert cas.get_current_span_id(allow_none=True) is None


WRITER = """
import sys
import cas
from dataclasses import dataclass

@dataclass
class Made(cas.ArtifactModel, version=1, name="fails.made"):
    x: int

cas.use(sys.argv[1])
for number in range(300):
    with cas.span_context(label=f"{sys.argv[2]}-{number}"):
        cas.create_span_artifact("current", label="made", data=Made(number))
"""


def test_two_processes_lose_nothing(repo, tmp_path):
    running = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), name], stderr=subprocess.PIPE)
        for name in ("a", "b")
    ]
    for one in running:
        _, errors = one.communicate(timeout=300)
        assert one.returncode == 0, errors.decode()
    spans = repo.spans(cas.Span)
    assert {span.label for span in spans} == {f"{name}-{number}" for name in ("a", "b") for number in range(300)}
    assert all(len(cas.read_child_artifacts(span)) == 1 for span in spans[::50])


def test_ten_thousand_at_once(repo):
    with cas.span_context(label="many") as many:
        ids = cas.create_span_artifacts("current", {f"l{number}": Plain(number) for number in range(10_000)})
    assert len(set(ids.values())) == 10_000
    assert cas.read_span_artifacts(many) == {f"l{number}": Plain(number) for number in range(10_000)}


def test_thousands_by_gather(repo):
    async def one(number):
        async with aio.span_context(label=f"s{number}") as span:
            await aio.create_span_artifact("current", label="x", data=number)
            assert (await aio.read_parent_span("current")).label == "root"
        return span

    async def main():
        async with aio.span_context(label="root") as root:
            made = await asyncio.gather(*(one(number) for number in range(1000)))
        children = await aio.read_child_spans(root.node_id)
        assert set(children) == set(made)
        values = await asyncio.gather(*(aio.read_span_artifact(span.node_id, label="x") for span in made))
        assert values == list(range(1000))

    asyncio.run(main())


def test_models_are_named_by_module(repo):
    """tests/models/test_classes.py has the rest: name=, moves, and what is refused."""
    Plain(1).create("plain")
    (found,) = repo.find(cas.ArtifactFilter(model=Plain))
    assert found.name == "plain"
    (same,) = repo.find(cas.ArtifactFilter(model=f"{__name__}:Plain"))
    assert same == found


def test_the_same_frame_twice_is_stored_once(repo):
    frame = pd.DataFrame({"a": np.random.default_rng(0).random(200_000)})
    with cas.span_context(label="first"):
        cas.create_span_artifact("current", label="frame", data=Holds(frame))
    before = sum(path.stat().st_size for path in (repo.root / "objects").iterdir())
    with cas.span_context(label="second"):
        cas.create_span_artifact("current", label="frame", data=Holds(frame))
        cas.create_span_artifact("current", label="bare", data=frame)
    after = sum(path.stat().st_size for path in (repo.root / "objects").iterdir())
    assert before > 1_000_000
    assert after - before < 20_000


def test_an_unusable_filter_is_an_error(repo):
    with pytest.raises(UsageError):
        repo.spans(cas.SpanFilter(label=cas.ValueFilter()))


@dataclass
class Deep(cas.ArtifactModel, version=1):
    children: list[Any] = field(default_factory=list)


def test_recursive_models(repo):
    model = Deep()
    for _ in range(30):
        model = Deep([model, {"k": Plain(1)}])
    artifact = model.create("deep")
    assert Deep.read(artifact) == model
