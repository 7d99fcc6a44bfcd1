"""Usage, Building Upon Spans: the document's decorator as printed, and ours."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial, wraps

import pytest

import cas
from cas.aio import (
    ArtifactModel,
    create_span_artifact,
    create_span_artifacts,
    read_child_spans,
    read_parent_span,
    read_span_artifact,
    read_span_artifacts,
    span_context,
)
from cas.errors import DeclarationError, SpanError, UnknownType


@dataclass
class Dataset(ArtifactModel, version=1):
    rows: list[int]


@dataclass
class Model(ArtifactModel, version=1):
    mean: float


async def train_model_on_dataset(dataset, **parameters):
    return Model(sum(dataset.rows) / len(dataset.rows) * parameters["scale"])


def spanned(func):
    @wraps(func)
    async def wrapper(*args, **kwargs):
        async with span_context(label=func.__name__):
            parent_span = await read_parent_span("current")
            result = await func(parent_span, *args, **kwargs)
            await create_span_artifacts("current", result)
            return result

    return wrapper


@spanned
async def train_model(parent_span, **parameters):
    dataset = await read_span_artifact(parent_span.node_id, label="dataset")
    model = await train_model_on_dataset(dataset, **parameters)
    return {"model": model}


def test_the_documents_decorator(example):
    async def main():
        async with span_context(label="experiment") as span:
            await create_span_artifact("current", label="dataset", data=Dataset([1, 2, 3]))
            assert await train_model(scale=2) == {"model": Model(4.0)}
        (trained,) = await read_child_spans(span.node_id)
        assert trained.label == "train_model"
        assert await read_span_artifact(trained.node_id, label="model") == Model(4.0)
        # what it read is an input of it, by itself
        (link,) = cas.current().inputs(trained.node_id)
        assert link.artifact == (cas.read_child_artifacts(span)[0]).id

    example(main())


def test_ours(example):
    @cas.spanned
    def add(x, y=5):
        return x + y

    with cas.span_context(label="outer") as outer:
        assert add(1) == 6
        assert add(2, y=3) == 5
    first, second = cas.read_child_spans(outer)
    assert (first.label, second.label) == ("add[1]", "add[2]")
    assert cas.read_span_artifacts(first) == {"x": 1, "y": 5, "return": 6}
    assert cas.read_span_artifacts(second) == {"x": 2, "y": 3, "return": 5}


def test_ours_outside_of_spans_and_with_a_label(example):
    @cas.spanned(label="adding", metadata={"team": "a"})
    def add(x):
        return x

    add(1)
    (span,) = cas.current().spans()
    assert (span.label, span.metadata) == ("adding", {"team": "a"})


def test_ours_async(example):
    @cas.spanned
    async def add(x, y):
        return x + y

    async def main():
        async with span_context(label="outer") as outer:
            assert await add(1, 2) == 3
        (span,) = await read_child_spans(outer.node_id)
        assert await read_span_artifacts(span.node_id) == {"x": 1, "y": 2, "return": 3}

    example(main())


@pytest.mark.parametrize(
    ("options", "labels"),
    [
        ({"include": "x"}, {"x"}),
        ({"include": ["x", "return"]}, {"x", "return"}),
        ({"exclude": "y"}, {"x", "return"}),
        ({"exclude": {"x", "y", "return"}}, set()),
        ({}, {"x", "y", "return"}),
    ],
)
def test_include_and_exclude(example, options, labels):
    @cas.linked(**options)
    def plain(x, y):
        return x + y

    @cas.linked(**options)
    async def awaited(x, y):
        return x + y

    async def main():
        async with span_context(label="outer") as outer:
            plain(1, 2)
            await awaited(1, 2)
        for span in await read_child_spans(outer.node_id):
            assert set(await read_span_artifacts(span.node_id)) == labels

    example(main())


def test_wrong_declarations():
    with pytest.raises(DeclarationError, match="both include and exclude"):
        cas.linked(include="x", exclude="y")
    with pytest.raises(DeclarationError, match="has no parameter z"):

        @cas.linked(exclude="z")
        def function(x):
            return x


def test_what_has_no_name_of_its_own(example):
    class Scaled:
        def __call__(self, x):
            return 2 * x

    def add(x, y):
        return x + y

    with cas.span_context(label="outer") as outer:
        assert cas.spanned(partial(add, 1))(y=2) == 3
        assert cas.spanned(Scaled())(3) == 6
    assert [span.label for span in cas.read_child_spans(outer)] == ["add[1]", "Scaled[1]"]
    with pytest.raises(DeclarationError, match="int does not say its parameters"):
        cas.spanned(int)


def test_an_argument_without_codec_is_named_before_the_call(example):
    ran = []

    @cas.spanned
    def function(x, y):
        ran.append(x)

    with pytest.raises(UnknownType, match=r"y is a builtins\.object"):
        function(1, object())
    assert ran == []


def test_methods_leave_self_out(example):
    class Trainer:
        @cas.spanned
        def train(self, x):
            return x

    Trainer().train(3)
    (span,) = cas.current().spans()
    assert cas.read_span_artifacts(span.id) == {"x": 3, "return": 3}


def test_linking_to_the_current_span(example):
    with cas.span_context(label="outer") as outer:
        cas.current_span().link([1], label="more")
        assert cas.current_span() == outer
    assert cas.read_span_artifact(outer, label="more") == [1]
    with pytest.raises(SpanError, match="no span is open here"):
        cas.current_span()
    assert cas.current_span(allow_none=True) is None
