"""Usage, Nesting Spans."""

from __future__ import annotations

import cas
from cas.aio import span_context
from cas.models.graph import span_graph


def test_a_hierarchy(example, tree):
    made = []

    async def main():
        async with span_context(label="parent") as parent, span_context(label="span"):
            async with span_context(label="child1"), span_context(label="grandchild"):
                pass
            async with span_context(label="child2"):
                pass
        made.append(parent.node_id)

    example(main())
    graph = span_graph(made[0])
    labels = {node.id: node.label for node in graph.nodes}
    assert {(labels[edge.source], labels[edge.target]) for edge in graph.edges} == {
        ("parent", "span"),
        ("span", "child1"),
        ("span", "child2"),
        ("child1", "grandchild"),
    }


def test_artifacts_extend_the_graph(example, tree):
    spans = example(tree.nested())
    graph = span_graph(spans["parent"])
    drawn = graph.to_mermaid()
    assert drawn.startswith("graph LR\n")
    lines = {line.strip() for line in drawn.splitlines()[1:]}
    names = {node.label: node.name for node in graph.nodes if node.kind == "span"}
    assert f"{names['parent']}([parent])" in lines
    assert f"{names['span']} --> {names['child1']}" in lines
    assert sum("[MyDataModel]" in line for line in lines) == 3
    assert sum(line.startswith(f"{names['grandchild']} --> |model2| ") for line in lines) == 1
    assert sum(line.startswith(f"{names['child2']} --> |model3| ") for line in lines) == 1
    assert sum(line.startswith(f"{names['span']} --> |model1| ") for line in lines) == 1


def test_spans_are_rows_of_the_repository_as_well(example, tree):
    spans = example(tree.nested())
    info = cas.current().span_info(spans["span"].node_id)
    assert (info.label, info.parent, info.status) == ("span", spans["parent"].node_id, "ok")
