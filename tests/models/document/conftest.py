"""The document's examples run as scripts in a directory of their own."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

import cas
from cas.aio import ArtifactModel, create_span_artifact, span_context


@pytest.fixture
def example(tmp_path, monkeypatch):
    """The document's ``set_engine`` line, and ``asyncio.run`` for its ``main``."""
    monkeypatch.chdir(tmp_path)
    repository = cas.use("example", create=True)
    with repository:
        yield asyncio.run
    repository.close()


@dataclass
class MyDataModel(ArtifactModel, version=1):
    some_value: int
    another_value: str


async def nested(inside=None):
    """Make the graph of the document; its spans by label. ``inside`` is awaited in the middle of it, too."""
    async with span_context(label="parent") as parent, span_context(label="span") as span:
        await create_span_artifact("current", label="model1", data=MyDataModel(1, "a"))
        async with span_context(label="child1") as child1, span_context(label="grandchild") as grandchild:
            await create_span_artifact("current", label="model2", data=MyDataModel(2, "b"))
        async with span_context(label="child2") as child2:
            await create_span_artifact("current", label="model3", data=MyDataModel(3, "c"))
        spans = {one.label: one for one in (parent, span, child1, grandchild, child2)}
        if inside is not None:
            await inside(spans)
    return spans


@pytest.fixture
def tree():
    """The document's graph of nested spans with artifacts."""
    return SimpleNamespace(nested=nested, MyDataModel=MyDataModel)
