"""Usage, Querying Spans: the red nodes of each diagram, as sets; and the order, as sequences."""

from __future__ import annotations

import pytest

import cas
from cas.aio import (
    read_ancestor_spans,
    read_child_artifacts,
    read_child_spans,
    read_descendant_artifacts,
    read_descendant_spans,
    read_parent_span,
)
from cas.errors import SpanNotFound, UsageError


def red(found):
    return {one.label for one in found}


async def queries(spans):
    span, grandchild = spans["span"], spans["grandchild"]

    # Child Spans
    span_children = await read_child_spans(span.node_id)
    assert set(span_children) == {spans["child1"], spans["child2"]}
    assert [one.label for one in span_children] == ["child1", "child2"]

    # Child Artifacts
    span_child_artifacts = await read_child_artifacts(span.node_id)
    assert red(span_child_artifacts) == {"model1"}

    # Descendant Spans
    span_descendants = await read_descendant_spans(span.node_id)
    assert set(span_descendants) == {spans["child1"], spans["child2"], grandchild}
    assert [one.label for one in span_descendants] == ["child1", "child2", "grandchild"]

    # Descendant Artifacts
    span_descendant_artifacts = await read_descendant_artifacts(span.node_id)
    assert red(span_descendant_artifacts) == {"model1", "model2", "model3"}
    assert [one.label for one in span_descendant_artifacts] == ["model1", "model3", "model2"]
    values = {one.label: one.value for one in span_descendant_artifacts}
    assert values["model2"] == type(values["model2"])(2, "b")
    assert {one.label: one.span_id for one in span_descendant_artifacts}["model2"] == grandchild.node_id

    # Parent Span
    span_parent = await read_parent_span(span.node_id)
    assert span_parent == spans["parent"]
    assert await read_parent_span(spans["parent"].node_id) is None

    # Ancestor Spans
    grandchild_ancestors = await read_ancestor_spans(grandchild.node_id)
    assert set(grandchild_ancestors) == {spans["child1"], span, spans["parent"]}
    assert [one.label for one in grandchild_ancestors] == ["child1", "span", "parent"]


def test_the_red_nodes(example, tree):
    spans = example(tree.nested())
    example(queries(spans))


def test_the_red_nodes_while_the_spans_are_open(example, tree):
    example(tree.nested(inside=queries))


def test_the_red_nodes_in_another_opening_of_the_repository(example, tree):
    spans = example(tree.nested())
    with cas.open("example"):
        example(queries(spans))


def test_an_unknown_id_is_an_error(example, tree):
    async def main():
        for query in (
            read_child_spans,
            read_child_artifacts,
            read_descendant_spans,
            read_descendant_artifacts,
            read_parent_span,
            read_ancestor_spans,
        ):
            with pytest.raises(SpanNotFound, match="no span ffffffffffff"):
                await query("f" * 64)

    example(main())


def test_pages(example, tree):
    with cas.span_context(label="many") as many:
        for number in range(10):
            with cas.span_context(label=f"child{number}"):
                cas.create_span_artifact("current", label=f"a{number}", data=number)
    assert [one.label for one in cas.read_child_spans(many, limit=3, offset=4)] == ["child4", "child5", "child6"]
    assert [one.value for one in cas.read_descendant_artifacts(many, limit=2, offset=9)] == [9]
    assert cas.read_child_spans(many, offset=20) == []
    for query in (
        cas.read_child_spans,
        cas.read_descendant_spans,
        cas.read_ancestor_spans,
        cas.read_child_artifacts,
        cas.read_descendant_artifacts,
    ):
        assert query(many, limit=0) == []
        for wrong in ({"limit": -1}, {"offset": -1}, {"limit": "1"}):
            with pytest.raises(UsageError, match="is a count from 0 up"):
                query(many, **wrong)

    assert [one.value for one in cas.stream_descendant_artifacts(many, page=3)] == list(range(10))
    with pytest.raises(SpanNotFound):
        cas.stream_descendant_artifacts("f" * 64)

    async def main():
        from cas.aio import stream_descendant_artifacts

        assert [one.value async for one in stream_descendant_artifacts(many, page=3)] == list(range(10))

    example(main())
