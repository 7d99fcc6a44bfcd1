"""A span, everything below it and what it made, as a graph: for networkx, mermaid and Graphviz."""

from __future__ import annotations

from typing import Any, NamedTuple

from cas.models.below import below
from cas.models.searchable import titles_of
from cas.models.tree import SpanId, locate
from cas.repository.current import current

__all__ = ["GraphEdge", "GraphNode", "SpanGraph", "span_graph"]


class GraphNode(NamedTuple):
    """A span (``label``: its label) or an artifact (``label``: its model's name, or its type). ``name`` is short, for
    drawings.
    """

    id: str
    kind: str
    label: str
    name: str


class GraphEdge(NamedTuple):
    """From a span to one inside it (no ``label``), or to an artifact of it, by its label there."""

    source: str
    target: str
    label: str | None


class SpanGraph(NamedTuple):
    """Nodes in creation order, the root first, and edges."""

    nodes: list[GraphNode]
    edges: list[GraphEdge]

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {"nodes": [node._asdict() for node in self.nodes], "edges": [edge._asdict() for edge in self.edges]}

    def to_networkx(self) -> Any:
        """A ``networkx.DiGraph``: nodes are ids with ``kind``, ``label`` and ``subset`` (their depth), edges have
        ``label``.
        """
        import networkx

        graph = networkx.DiGraph()
        depths = _depths(self)
        for node in self.nodes:
            graph.add_node(node.id, kind=node.kind, label=node.label, subset=depths[node.id])
        for edge in self.edges:
            graph.add_edge(edge.source, edge.target, label=edge.label)
        return graph

    def to_mermaid(self, direction: str = "LR") -> str:
        """A mermaid graph, drawn as Artigraph's documents draw theirs."""
        names = {node.id: node.name for node in self.nodes}
        lines = [f"graph {direction}"]
        for node in self.nodes:
            text = _mermaid_text(node.label)
            lines.append(f"    {node.name}([{text}])" if node.kind == "span" else f"    {node.name}[{text}]")
        for edge in self.edges:
            arrow = "-->" if edge.label is None else f"--> |{_mermaid_text(edge.label)}|"
            lines.append(f"    {names[edge.source]} {arrow} {names[edge.target]}")
        return "\n".join(lines) + "\n"

    def to_dot(self) -> str:
        """A Graphviz digraph."""
        names = {node.id: node.name for node in self.nodes}
        lines = ["digraph spans {", "    rankdir=LR;"]
        for node in self.nodes:
            shape = "ellipse" if node.kind == "span" else "box"
            lines.append(f"    {node.name} [label={_dot_text(node.label)}, shape={shape}];")
        for edge in self.edges:
            text = "" if edge.label is None else f" [label={_dot_text(edge.label)}]"
            lines.append(f"    {names[edge.source]} -> {names[edge.target]}{text};")
        return "\n".join([*lines, "}"]) + "\n"


def span_graph(span_id: SpanId) -> SpanGraph:
    """The graph of a span and all below it. Raises SpanNotFound."""
    repository = current()
    with repository.lock:
        ident, queries, root = locate(repository, span_id)
        inside = below(repository, queries)
        rows = [root, *inside.descendants(ident)]
        links = [row for row in (*queries.outputs(ident), *inside.outputs_below(ident)) if row.name is not None]
        titles = titles_of(repository, [link.artifact for link in links if link.artifact is not None])
    nodes = [GraphNode(row.id.hex(), "span", row.label, f"s{index}") for index, row in enumerate(rows)]
    edges = [GraphEdge(row.parent.hex(), row.id.hex(), None) for row in rows[1:] if row.parent is not None]
    for index, link in enumerate(links):
        assert link.artifact is not None
        nodes.append(GraphNode(link.artifact.hex(), "artifact", titles.get(link.artifact, "artifact"), f"a{index}"))
        edges.append(GraphEdge(link.span.hex(), link.artifact.hex(), link.name))
    return SpanGraph(nodes, edges)


def _depths(graph: SpanGraph) -> dict[str, int]:
    depths = {graph.nodes[0].id: 0}
    for edge in graph.edges:
        depths[edge.target] = depths[edge.source] + 1
    return depths


def _mermaid_text(text: str) -> str:
    text = _printable(text)
    plain = text.replace('"', "#quot;")
    return plain if text.replace("_", "").replace("-", "").replace(".", "").isalnum() else f'"{plain}"'


def _dot_text(text: str) -> str:
    return '"' + _printable(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _printable(text: str) -> str:
    """On one line, and nothing that a terminal obeys: drawings are looked at there, too."""
    return "".join(one if one.isprintable() else " " for one in text)
