"""A span's graph as networkx, mermaid and Graphviz."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

import cas
from cas.errors import SpanNotFound


@dataclass
class Made(cas.ArtifactModel, version=1):
    x: int


@pytest.fixture
def repo(tmp_path):
    with cas.init(tmp_path) as repository:
        yield repository
    repository.close()


@pytest.fixture
def root(repo):
    with cas.span_context(label="root") as root:
        cas.create_span_artifact("current", label="made", data=Made(1))
        with cas.span_context(label='odd "label"'):
            cas.create_span_artifact("current", label="numbers", data=[1])
    return root


def test_nodes_and_edges(root):
    graph = cas.span_graph(root)
    assert [(node.kind, node.label, node.name) for node in graph.nodes] == [
        ("span", "root", "s0"),
        ("span", 'odd "label"', "s1"),
        ("artifact", "Made", "a0"),
        ("artifact", "list", "a1"),
    ]
    assert [edge.label for edge in graph.edges] == [None, "made", "numbers"]
    assert graph.to_dict()["nodes"][0]["id"] == root.node_id


def test_mermaid(root):
    assert cas.span_graph(root).to_mermaid() == (
        "graph LR\n"
        "    s0([root])\n"
        '    s1(["odd #quot;label#quot;"])\n'
        "    a0[Made]\n"
        "    a1[list]\n"
        "    s0 --> s1\n"
        "    s0 --> |made| a0\n"
        "    s1 --> |numbers| a1\n"
    )


def test_dot(root):
    drawn = cas.span_graph(root).to_dot()
    assert '    s1 [label="odd \\"label\\"", shape=ellipse];' in drawn
    assert '    s0 -> a0 [label="made"];' in drawn


def test_networkx(root):
    pytest.importorskip("networkx", reason="networkx is not installed")
    graph = cas.span_graph(root).to_networkx()
    assert graph.nodes[root.node_id] == {"kind": "span", "label": "root", "subset": 0}
    assert {data["subset"] for _, data in graph.nodes(data=True)} == {0, 1, 2}
    assert graph.number_of_edges() == 3


def test_while_it_is_open(repo):
    with cas.span_context(label="root"), cas.span_context(label="inner"):
        cas.create_span_artifact("current", label="a", data=Made(1))
        assert [node.label for node in cas.span_graph("current").nodes] == ["inner", "Made"]


def test_an_unknown_span(repo):
    with pytest.raises(SpanNotFound):
        cas.span_graph("f" * 64)


def test_labels_that_are_no_plain_words(tmp_path):
    with cas.init(tmp_path) as repository:
        with cas.span_context(label='a "b"\n\x1b[31mc') as span:
            cas.create_span_artifact("current", label="x|y", data=1)
        graph = cas.span_graph(span)
        assert graph.to_mermaid().splitlines()[1:] == [
            '    s0(["a #quot;b#quot;  [31mc"])',
            "    a0[int]",
            '    s0 --> |"x|y"| a0',
        ]
        assert '    s0 [label="a \\"b\\"  [31mc", shape=ellipse];' in graph.to_dot().splitlines()
    repository.close()
