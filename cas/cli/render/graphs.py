"""A lineage as a graph: drawn as ``git log --graph`` draws one, or as nodes and edges for other programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from cas.cli.render.text import Style, clean, short

if TYPE_CHECKING:
    from cas.models.graph import SpanGraph
    from cas.repository.info import LineageNode

__all__ = ["graph_lines", "graph_of"]


class _Node(NamedTuple):
    kind: str
    id: str
    title: str
    further: list[str]


def graph_lines(root: LineageNode, style: Style) -> Iterator[str]:
    """Each artifact (``*``) and run (``o``) on a line, once, what it came from (or what came of it) further down."""
    lanes: list[str] = [root.id]
    for node in _ordered(root):
        at = lanes.index(node.id)
        for place in range(len(lanes) - 1, at, -1):  # lanes that meet here
            if lanes[place] == node.id:
                del lanes[place]
                yield "| " * at + "|_" * (place - at - 1) + "|/" + " /" * (len(lanes) - place)
        mark = "o" if node.kind == "span" else "*"
        yield " ".join(mark if place == at else "|" for place in range(len(lanes))) + f"  {_text(node, style)}"
        right = len(lanes) - at - 1
        lanes[at : at + 1] = node.further
        for extra in range(1, len(node.further)):
            yield "| " * (at + extra - 1) + "|\\" + " \\" * right
        if not node.further and right:
            yield "| " * at + " /" * right


def graph_of(root: LineageNode, *, down: bool) -> SpanGraph:
    """The lineage as nodes and edges, each edge from what went in to what came out."""
    from cas.models.graph import GraphEdge, GraphNode, SpanGraph

    nodes = list(_ordered(root))
    drawn = [
        GraphNode(node.id, node.kind, node.title, f"{'s' if node.kind == 'span' else 'a'}{place}")
        for place, node in enumerate(nodes)
    ]
    pairs = [(node.id, one) for node in nodes for one in node.further]
    return SpanGraph(drawn, [GraphEdge(*(pair if down else pair[::-1]), None) for pair in pairs])


def _ordered(root: LineageNode) -> Iterator[_Node]:
    """Each node once, after all that lead to it, the nearest first."""
    whole: dict[str, _Node] = {}
    waiting = [root]
    while waiting:
        one = waiting.pop()
        if not one.seen and one.id not in whole:
            whole[one.id] = _Node(one.kind, one.id, one.title, list(dict.fromkeys(near.id for near in one.children)))
            waiting += reversed(one.children)
    leading = dict.fromkeys(whole, 0)
    for node in whole.values():
        for ident in node.further:
            leading[ident] += 1
    ready = [root.id]
    while ready:
        node = whole[ready.pop(0)]
        yield node
        for ident in node.further:
            leading[ident] -= 1
            if not leading[ident]:
                ready.append(ident)


def _text(node: _Node, style: Style) -> str:
    mark = "%" if node.kind == "span" else ""
    return f"{style(clean(node.title), bold=node.kind != 'span')}  {style(mark + short(node.id), fg='yellow')}"
