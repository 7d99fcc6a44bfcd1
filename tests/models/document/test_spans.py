"""Usage, Spans."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

import cas
from cas.aio import ArtifactModel, create_span_artifact, read_span_artifact, read_span_artifacts, span_context
from cas.errors import RefNotFound


@dataclass
class TrainingDataset(ArtifactModel, version=1):
    rows: int = 3


@dataclass
class TrainedModel(ArtifactModel, version=1):
    weights: tuple[float, ...] = (1.0, 2.0)


def test_create(example):
    async def main():
        async with span_context(label="training"):
            await create_span_artifact("current", label="data", data=TrainingDataset())
            await create_span_artifact("current", label="model", data=TrainedModel())

    example(main())


def test_read(example):
    """The document reads "dataset" after storing "data": an error that lists the labels; with "data" it runs."""

    async def main():
        async with span_context(label="training") as span:
            await create_span_artifact("current", label="data", data=TrainingDataset())
            await create_span_artifact("current", label="model", data=TrainedModel())
        # read the data back from the spans
        model = await read_span_artifact(span.node_id, label="model")
        with pytest.raises(RefNotFound, match="labelled 'dataset'; it has: 'data', 'model'") as caught:
            await read_span_artifact(span.node_id, label="dataset")
        assert caught.value.suggestions == ("data", "model")
        dataset = await read_span_artifact(span.node_id, label="data")
        assert (model, dataset) == (TrainedModel(), TrainingDataset())
        assert await read_span_artifacts(span.node_id) == {"data": dataset, "model": model}

    example(main())


def test_the_same_without_await(example):
    with cas.span_context(label="training") as span:
        cas.create_span_artifact("current", label="data", data=TrainingDataset())
        assert cas.get_current_span_id() == span.node_id
    assert cas.read_span_artifact(span.node_id, label="data") == TrainingDataset()
