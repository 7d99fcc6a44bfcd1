"""Usage, Customizing Spans. The document's column is spelled ``custom_span_metadata: Any = None``."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

import cas
from cas.aio import Span, read_child_spans, read_span, span_context
from cas.errors import DeclarationError, UsageError


class CustomSpan(Span):
    polymorphic_identity = "custom_span"
    custom_span_metadata: Any = None


class TrainingSpan(cas.Span):
    learning_rate: float | None = None
    started: datetime | None = None
    layers: tuple[int, ...] = ()


def test_a_custom_span(example):
    async def main():
        async with (
            span_context(label="around") as around,
            span_context(CustomSpan(custom_span_metadata={"a": [1, None]})) as span,
        ):
            assert span.custom_span_metadata == {"a": [1, None]}
        (found,) = await read_child_spans(around.node_id)
        assert type(found) is CustomSpan
        assert found == span
        assert found.custom_span_metadata == {"a": [1, None]}

    example(main())


def test_fields_are_typed(example):
    at = datetime(2024, 5, 1, tzinfo=timezone.utc)
    with cas.span_context(TrainingSpan(label="train", learning_rate=0.1, started=at, layers=(3, 4))) as span:
        pass
    found = cas.read_span(span.node_id)
    assert type(found) is TrainingSpan
    assert (found.label, found.learning_rate, found.started, found.layers) == ("train", 0.1, at, (3, 4))


def test_they_are_found_by_field(example):
    for rate in (0.1, 0.2):
        with cas.span_context(TrainingSpan(learning_rate=rate)):
            pass
    with cas.span_context(label="other"):
        pass
    repo = cas.current()
    assert [one.learning_rate for one in repo.spans(TrainingSpan)] == [0.2, 0.1]
    assert [one.learning_rate for one in repo.spans(TrainingSpan, learning_rate=0.1)] == [0.1]
    assert [one.learning_rate for one in repo.spans(TrainingSpan, learning_rate=cas.ValueFilter(gt=0.15))] == [0.2]
    assert repo.spans(TrainingSpan, learning_rate=0.3) == []


def test_they_are_found_by_fields_of_other_types_too(example):
    class Timed(cas.Span):
        when: datetime | None = None
        took: timedelta = timedelta(0)

    when = datetime(2024, 5, 1, 12, 30, tzinfo=timezone.utc)
    with cas.span_context(Timed(when=when, took=timedelta(minutes=5))) as made:
        pass
    repo = cas.current()
    assert repo.spans(Timed, when=when) == repo.spans(Timed, took=timedelta(minutes=5)) == [made]
    assert repo.spans(Timed, when=cas.ValueFilter(in_=[when])) == [made]
    assert repo.spans(Timed, when=cas.ValueFilter(gt=when)) == []


def test_a_field_that_the_class_lacks_is_an_error(example):
    class Coarse(cas.Span):
        deep: dict[str, int] | None = None

    class Finest(Coarse):
        step: int = 1

    with cas.span_context(Finest(step=2, deep={"a": 1})) as made:
        pass
    repo = cas.current()
    assert repo.spans(Coarse, **{"step": 2, "deep.a": 1}) == [made]
    with pytest.raises(UsageError, match=r"has no field 'steps'; it has: deep, step"):
        repo.spans(Coarse, steps=2)
    assert repo.spans(cas.SpanFilter(kind=Coarse, fields={"steps": 2})) == []


def test_a_dataclass_decorator_above_does_no_harm(example):
    @dataclass
    class Decorated(cas.Span):
        rate: float = 0.0

    @dataclass
    class Below(Decorated):
        step: int = 1

        def __repr__(self):
            return f"mine {self.step}"

    @dataclass
    class Lowest(Below):
        pass

    with cas.span_context(Below(label="x", rate=0.5)) as made:
        pass
    found = cas.read_span(made.node_id)
    assert (found.label, found.rate, found.step) == ("x", 0.5, 1)
    assert {found, made} == {made}
    assert found != Below(label="x", rate=0.5)
    assert repr(found) == repr(Lowest()) == "mine 1"
    assert repr(Decorated(label="y")) == f"<{Decorated.__qualname__} 'y', rate=0.0>"


def test_subclasses_of_subclasses(example):
    class Finer(TrainingSpan):
        step: int = 1

    with cas.span_context(Finer(learning_rate=0.5, step=3)) as span:
        pass
    assert (cas.read_span(span).learning_rate, cas.read_span(span).step) == (0.5, 3)
    assert cas.current().spans(TrainingSpan) == [span]


def test_an_unknown_class_reads_as_a_span_with_its_fields_kept(example):
    from cas.models import span as spans

    class Gone(cas.Span):
        polymorphic_identity = "document.gone"
        x: int = 1

    with cas.span_context(Gone(x=5)) as made:
        pass
    del spans._BY_KIND["document.gone"]
    found = cas.read_span(made.node_id)
    assert type(found) is cas.Span
    assert (found.kind, found.fields) == ("document.gone", {"x": 5})


def test_fields_that_came_later_have_their_default(example):
    from cas.models import span as spans

    class Grows(cas.Span):
        polymorphic_identity = "document.grows"
        x: int = 1

    with cas.span_context(Grows(x=5)) as made:
        pass
    del spans._BY_KIND["document.grows"]

    class Grown(cas.Span):
        polymorphic_identity = "document.grows"
        x: int = 1
        y: list[int] = field(default_factory=lambda: [7])
        z: str

    found = cas.read_span(made.node_id)
    assert (found.x, found.y, found.z) == (5, [7], None)


def test_a_mutable_default_is_refused():
    with pytest.raises(DeclarationError, match="mutable default"):

        class Wrong(cas.Span):
            tags: list[int] = []


def test_two_classes_of_one_identity_are_refused():
    class One(cas.Span):
        polymorphic_identity = "document.twice"

    with pytest.raises(DeclarationError, match=r"polymorphic_identity 'document\.twice'"):

        class Two(cas.Span):
            polymorphic_identity = "document.twice"


def test_what_cannot_be_recorded_is_refused_before_the_span_opens(example):
    with (
        pytest.raises(DeclarationError, match="field 'custom_span_metadata'"),
        cas.span_context(CustomSpan(custom_span_metadata=object())),
    ):
        pass
    assert cas.current().spans() == []


@pytest.mark.parametrize("name", ["label", "metadata", "status", "node_id", "link"])
def test_a_field_that_every_span_has_is_refused(name):
    with pytest.raises(DeclarationError, match=f"cannot have a field '{name}'"):
        type("Wrong", (cas.Span,), {"__annotations__": {name: str}, name: "x"})


def test_a_span_read_under_aio(example):
    async def main():
        async with span_context(TrainingSpan(learning_rate=0.5)) as made:
            pass
        assert (await read_span(made.node_id)).learning_rate == 0.5

    example(main())


def test_numbers_of_numpy_are_numbers(example):
    import numpy

    with cas.span_context(TrainingSpan(learning_rate=numpy.float64(0.5))) as span:
        pass
    assert cas.current().spans(TrainingSpan, learning_rate=0.5) == [span]
    assert type(cas.read_span(span).learning_rate) is float
