"""Filters on spans and artifacts: each condition, composition, spans in flight."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

import cas
from cas import ArtifactFilter, SpanFilter, ValueFilter
from cas.errors import SpanNotFound, UsageError
from cas.models.filters import _Joined


class Run(cas.Span):
    polymorphic_identity = "filters.run"
    rate: float = 0.0
    tags: list[str] | None = None
    final: bool = False


class LongRun(Run):
    polymorphic_identity = "filters.long-run"


@dataclass
class Report(cas.ArtifactModel, version=2):
    score: float
    team: str = "a"
    frame: Any = None


@pytest.fixture
def repo(tmp_path):
    with cas.init(tmp_path) as repository:
        yield repository
    repository.close()


@pytest.fixture
def made(repo):
    """root > (train1 Run 0.1, train2 LongRun 0.2 > inner, failed)."""
    spans = {}
    with cas.span_context(label="root", metadata={"team": "x", "deep": {"k": 1}}) as spans["root"]:
        with cas.span_context(Run(label="train1", rate=0.1, tags=["a", "b"])) as spans["train1"]:
            cas.create_span_artifact("current", label="report", data=Report(0.5))
        with cas.span_context(LongRun(label="train2", rate=0.2, final=True)) as spans["train2"]:
            cas.create_span_artifact("current", label="report", data=Report(0.9, "b"))
            with cas.span_context(label="inner") as spans["inner"]:
                cas.create_span_artifact("current", label="numbers", data={"n": 3})
        with pytest.raises(ValueError, match="no"), cas.span_context(label="failed") as spans["failed"]:
            raise ValueError("no")
    return spans


def labels(spans):
    return [span.label for span in spans]


SPAN_CASES = [
    (SpanFilter(label="train1"), ["train1"]),
    (SpanFilter(label="train*"), ["train2", "train1"]),
    (SpanFilter(label=ValueFilter(like="%n_r")), ["inner"]),
    (SpanFilter(label=ValueFilter(glob="[rf]*")), ["failed", "root"]),
    (SpanFilter(label=ValueFilter(in_=["inner", "root"])), ["inner", "root"]),
    (SpanFilter(label=ValueFilter(not_in=["inner", "root"])), ["failed", "train2", "train1"]),
    (SpanFilter(status="failed"), ["failed"]),
    (SpanFilter(kind=Run), ["train2", "train1"]),
    (SpanFilter(kind=LongRun), ["train2"]),
    (SpanFilter(kind=[LongRun, Run]), ["train2", "train1"]),
    (SpanFilter(kind=cas.Span, label="root"), ["root"]),
    (SpanFilter(fields={"rate": 0.1}), ["train1"]),
    (SpanFilter(fields={"rate": ValueFilter(ge=0.1, lt=0.2)}), ["train1"]),
    (SpanFilter(fields={"rate": ValueFilter(ne=0.1)}), ["train2"]),
    (SpanFilter(fields={"tags": ["a", "b"]}), ["train1"]),
    (SpanFilter(fields={"final": True}), ["train2"]),
    (SpanFilter(kind=Run, fields={"tags": ValueFilter(is_null=True)}), ["train2"]),
    (SpanFilter(metadata={"team": "x"}), ["root"]),
    (SpanFilter(metadata={"deep.k": 1}), ["root"]),
    (SpanFilter(metadata={"team": ValueFilter(gt="y")}), []),
    (SpanFilter(label="train*") & SpanFilter(fields={"rate": ValueFilter(gt=0.15)}), ["train2"]),
    (SpanFilter(label="inner") | SpanFilter(label="root"), ["inner", "root"]),
    (
        (SpanFilter(label="inner") | SpanFilter(label="train*")) & (SpanFilter(kind=Run) | SpanFilter(status="failed")),
        ["train2", "train1"],
    ),
    (ArtifactFilter(model=Report), ["train2", "train1"]),
    (ArtifactFilter(model=Report) & SpanFilter(kind=LongRun), ["train2"]),
    (ArtifactFilter(fields={"n": 3}), ["inner"]),
    (SpanFilter(), ["failed", "inner", "train2", "train1", "root"]),
]


@pytest.mark.parametrize(("where", "expected"), SPAN_CASES, ids=lambda case: repr(case)[:60])
def test_spans(repo, made, where, expected):
    assert labels(repo.spans(where)) == expected


def test_spans_by_place(repo, made):
    assert labels(repo.spans(SpanFilter(parent=made["root"]))) == ["failed", "train2", "train1"]
    assert labels(repo.spans(SpanFilter(child=made["inner"].node_id))) == ["train2"]
    assert labels(repo.spans(SpanFilter(ancestor=made["root"]))) == ["failed", "inner", "train2", "train1"]
    assert labels(repo.spans(SpanFilter(descendant=made["inner"]))) == ["train2", "root"]
    assert labels(repo.spans(SpanFilter(ancestor=made["root"]) & SpanFilter(kind=Run))) == ["train2", "train1"]
    with pytest.raises(SpanNotFound):
        repo.spans(SpanFilter(parent="0123456789"))


def test_spans_by_time(repo, made):
    at = made["train2"].opened_at
    assert labels(repo.spans(SpanFilter(opened=ValueFilter(gt=at)))) == ["failed", "inner"]
    assert labels(repo.spans(SpanFilter(opened=ValueFilter(le=at)))) == ["train2", "train1", "root"]
    assert labels(repo.spans(SpanFilter(closed=ValueFilter(lt=at)))) == ["train1"]
    tomorrow = datetime.now(timezone.utc) + timedelta(days=1)
    assert repo.spans(SpanFilter(opened=ValueFilter(gt=tomorrow.isoformat()))) == []
    with pytest.raises(UsageError, match="is no time"):
        repo.spans(SpanFilter(opened="yesterday"))


def test_limits_and_classes(repo, made):
    assert labels(repo.spans(SpanFilter(), limit=2)) == ["failed", "inner"]
    assert labels(repo.spans(Run, label="train1")) == ["train1"]
    assert labels(repo.spans(Run, rate=ValueFilter(gt=0.1))) == ["train2"]
    assert [type(span) for span in repo.spans(Run)] == [LongRun, Run]


ARTIFACT_CASES = [
    (ArtifactFilter(label="report"), [0.9, 0.5]),
    (ArtifactFilter(label="rep*"), [0.9, 0.5]),
    (ArtifactFilter(model=Report, version=2), [0.9, 0.5]),
    (ArtifactFilter(version=ValueFilter(lt=2)), []),
    (ArtifactFilter(type="model"), [0.9, 0.5]),
    (ArtifactFilter(fields={"team": "b"}), [0.9]),
    (ArtifactFilter(fields={"score": ValueFilter(lt=0.6)}), [0.5]),
    (ArtifactFilter(label="report") & SpanFilter(kind=LongRun), [0.9]),
    (ArtifactFilter(label="report") & SpanFilter(fields={"rate": 0.1}), [0.5]),
    (ArtifactFilter(fields={"team": "b"}) | ArtifactFilter(fields={"score": 0.5}), [0.9, 0.5]),
]


@pytest.mark.parametrize(("where", "expected"), ARTIFACT_CASES, ids=lambda case: repr(case)[:60])
def test_artifacts(repo, made, where, expected):
    assert [found.get().score for found in repo.find(where)] == expected


def test_artifacts_by_a_time_in_a_field(repo):
    when = datetime(2024, 5, 1, 12, tzinfo=timezone.utc)
    Report(0.1, frame=when).create("timed")
    assert [found.name for found in repo.find(ArtifactFilter(fields={"frame": when}))] == ["timed"]
    assert [found.name for found in repo.find(ArtifactFilter(fields={"frame": ValueFilter(ge=when)}))] == ["timed"]
    assert repo.find(ArtifactFilter(fields={"frame": ValueFilter(gt=when)})) == []


def test_published_artifacts(repo):
    Report(0.1).create("scores")
    Report(0.2).create("scores")
    Report(0.3, frame={1, 2}).create("other")
    cas.put({"n": 1}, "numbers", metadata={"team": "z"})
    assert [found.get().score for found in repo.find(ArtifactFilter(model=Report))] == [0.3, 0.2]
    assert [found.name for found in repo.find(ArtifactFilter(name="s*"))] == ["scores"]
    assert [found.name for found in repo.find(ArtifactFilter(metadata={"team": "z"}))] == ["numbers"]
    assert [found.name for found in repo.find(ArtifactFilter(fields={"score": 0.3}))] == ["other"]
    assert [found.name for found in repo.find(ArtifactFilter(created=ValueFilter(gt="2020-01-01")), limit=1)] == [
        "numbers"
    ]
    times = [version.created for version in reversed(repo.log())]
    cas.put(cas.get("numbers"), "again", metadata={"team": "z"})  # the same record, under a second name
    assert [found.get() for found in repo.find(ArtifactFilter(created=ValueFilter(gt=times[-1])))] == []
    assert [found.get() for found in repo.find(ArtifactFilter(updated=ValueFilter(ge=times[-1])))] == [{"n": 1}]
    assert repo.find(ArtifactFilter(updated=ValueFilter(lt=times[0]))) == []
    cas.delete("again")  # found under the name that is left
    cas.delete("other")
    assert [found.name for found in repo.find(ArtifactFilter(model=Report))] == ["scores"]
    assert [found.name for found in repo.find(ArtifactFilter(span=None))] == ["numbers", "scores"]


def test_spans_in_flight_are_found(repo, made):
    with cas.span_context(Run(label="now", rate=0.7)) as now:
        with cas.span_context(label="within"):
            cas.create_span_artifact("current", label="report", data=Report(0.7))
        assert labels(repo.spans(Run)) == ["now", "train2", "train1"]
        assert labels(repo.spans(SpanFilter(status="open"))) == ["now"]
        assert labels(repo.spans(SpanFilter(ancestor="current"))) == ["within"]
        assert [found.get().score for found in repo.find(ArtifactFilter(model=Report))] == [0.7, 0.9, 0.5]
        assert [found.get().score for found in repo.find(SpanFilter(parent=now))] == [0.7]
    assert labels(repo.spans(SpanFilter(status="open"))) == []
    assert labels(repo.spans(Run)) == ["now", "train2", "train1"]


def test_filters_flatten(made):
    one, two, three = (SpanFilter(label=letter) for letter in "abc")
    both = one & two & three
    assert isinstance(both, _Joined)
    assert both.parts == (one, two, three)
    assert (one | two | three).parts == (one, two, three)
    assert len(((one | two) & three).parts) == 2
    assert repr(one & two) == "(SpanFilter(label='a') & SpanFilter(label='b'))"
    with pytest.raises(UsageError, match="is no filter"):
        one & "b"


def test_names_in_paths_cannot_break_out(repo, made):
    for name in ('x" OR 1=1 --', "x'y", "$", '"', "a.b'"):
        assert repo.spans(SpanFilter(metadata={name: 1})) == []
        assert repo.find(ArtifactFilter(fields={name: 1})) == []


def test_wrong_filters(repo):
    with pytest.raises(UsageError, match="no Span class"):
        repo.spans(SpanFilter(kind=int))
    with pytest.raises(UsageError, match="no model class"):
        repo.find(ArtifactFilter(model=int))


def test_a_model_class_with_its_subclasses(tmp_path):
    @dataclass
    class Above(cas.ArtifactModel, version=1):
        x: int

    @dataclass
    class Below(Above, version=1, formerly=["filters.old"]):
        y: int = 0

    @dataclass
    class Beside(cas.ArtifactModel, version=1):
        x: int

    with cas.init(tmp_path / "subclasses") as repository:
        for model, label in ((Above(1), "above"), (Below(2), "below"), (Beside(3), "beside")):
            model.create(label)
        cas.put(4, "number")
        for wanted, names in (
            (Above, {"above", "below"}),
            (Below, {"below"}),
            (cas.ArtifactModel, {"above", "below", "beside"}),
            (f"{__name__}:*Beside", {"beside"}),
        ):
            assert {found.name for found in repository.find(ArtifactFilter(model=wanted))} == names
    repository.close()


def test_names_with_dots_are_found_whole_or_step_by_step(tmp_path):
    with cas.init(tmp_path / "dots") as repository:
        with cas.span_context(label="flat", metadata={"model.lr": 0.1}):
            pass
        with cas.span_context(label="nested", metadata={"model": {"lr": 0.1}}):
            pass
        found = repository.spans(SpanFilter(metadata={"model.lr": 0.1}))
        assert {span.label for span in found} == {"flat", "nested"}
    repository.close()


def test_thousands_of_alternatives(repo):
    several = SpanFilter(label="nothing")
    for number in range(3000):
        several = several | SpanFilter(label=f"s{number}")
    assert repo.spans(several) == []


def test_limits_are_counts(repo):
    for ask in (
        lambda: repo.spans(limit=-1),
        lambda: repo.spans(SpanFilter(), limit=-1),
        lambda: repo.find(ArtifactFilter(), limit=-1),
    ):
        with pytest.raises(UsageError, match="a limit is 0 or more"):
            ask()
