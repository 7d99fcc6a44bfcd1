"""Lineage as a tree of lines, and flat for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cas.cli.render.text import Style, clean, short

if TYPE_CHECKING:
    from cas.repository.info import LineageNode

__all__ = ["lineage_items", "lineage_lines"]


def lineage_lines(root: LineageNode, style: Style) -> Iterator[str]:
    """Each artifact and run on a line, what lies behind it below, as ``tree`` draws directories.

    Walks without recursion: a lineage may be deep.
    """
    waiting = [(root, "", "")]
    while waiting:
        node, lead, below = waiting.pop()
        yield lead + _line(node, style)
        last = len(node.children) - 1
        for place in range(last, -1, -1):
            joint, bar = ("└─ ", "   ") if place == last else ("├─ ", "│  ")
            waiting.append((node.children[place], below + joint, below + bar))


def lineage_items(root: LineageNode) -> Iterator[dict[str, Any]]:
    """Each artifact and run once, nearest first, with its depth and the ids of what lies behind it."""
    seen: set[tuple[str, str]] = set()
    level, depth = [root], 0
    while level:
        further: list[LineageNode] = []
        for node in level:
            if (node.kind, node.id) in seen or node.seen:
                continue
            seen.add((node.kind, node.id))
            further.extend(node.children)
            behind = [child.id for child in node.children]
            yield {"kind": node.kind, "id": node.id, "title": node.title, "depth": depth, "next": behind}
        level, depth = further, depth + 1


def _line(node: LineageNode, style: Style) -> str:
    mark = "%" if node.kind == "span" else ""
    line = f"{style(clean(node.title), bold=node.kind != 'span')}  {style(mark + short(node.id), fg='yellow')}"
    return f"{line}  (see above)" if node.seen else line
