"""Lines for people, from answers made by hand."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from cas.cli.render.lineage import lineage_items, lineage_lines
from cas.cli.render.names import name_lines
from cas.cli.render.spans import span_detail, span_lines
from cas.cli.render.status import status_lines
from cas.cli.render.text import iso
from cas.repository.info import LineageNode, NameInfo, SpanInfo, SpanLink, Status

THEN = datetime(2026, 11, 22, 12, 0, tzinfo=timezone.utc)


def bare(text: str, **_: Any) -> str:
    return text


def span(status: str = "ok", **changes: Any) -> SpanInfo:
    fields: dict[str, Any] = {
        "id": "8c" * 32,
        "label": "train",
        "parent": None,
        "status": status,
        "opened_at": THEN,
        "closed_at": THEN + timedelta(seconds=3),
        "metadata": {"rate": 0.1},
        "code": {},
        "error": None,
    }
    return SpanInfo(**{**fields, **changes})


def test_span_lines() -> None:
    failed = span("failed", error={"type": "ValueError", "message": "bad\x1b[2J input"})
    assert span_lines([span(), failed], iso, bare) == [
        "%8c8c8c8c8c8c  train  ok      2026-11-22T12:00:00Z  3.0 s  rate=0.1",
        "%8c8c8c8c8c8c  train  failed  2026-11-22T12:00:00Z  3.0 s  bad\\x1b[2J input",
    ]


def test_span_detail_says_what_it_read() -> None:
    link = SpanLink("ab" * 32, None, "table", "flights", None, "flights#1")
    lines = span_detail(span(), [link], [], bare)
    assert lines[0] == "span      %" + "8c" * 32
    assert "  rate    0.1" in lines
    assert lines[-2:] == ["read", "  abababababab  flights#1  asked for as flights"]


def test_name_lines() -> None:
    names = [
        NameInfo("flights", ("origin",), "month", "table", "Clean", 36, 37, THEN),
        NameInfo("model", (), None, None, None, 1, 1, None),
    ]
    assert name_lines(names, iso, bare) == [
        "flights  @origin,time:month  table  36 partitions  37 versions  2026-11-22T12:00:00Z  Clean",
        "model                        -      1 partition    1 version    -",
    ]


def test_status_lines() -> None:
    status = Status("/a/.cas", "default", "main", 2, 37, 38, 4, (span("open", closed_at=None),), 1, 29_000_000, 5, 9000)
    assert status_lines(status, iso, bare)[2:] == [
        "holds       2 names, 37 partitions, 38 versions, 4 spans",
        "objects     29 MB in 1 pack",
        "ref log     9.0 kB in 5 segments",
        "",
        "open spans",
        "  %8c8c8c8c8c8c  train  open  2026-11-22T12:00:00Z  -  rate=0.1",
    ]


def chain(depth: int) -> LineageNode:
    node = LineageNode("artifact", "00" * 32, "raw")
    for step in range(1, depth):
        node = LineageNode("span" if step % 2 else "artifact", f"{step:064x}", f"step {step}", (node,))
    return node


def test_lineage_is_a_tree() -> None:
    shared = LineageNode("artifact", "cc" * 32, "raw#1", seen=True)
    made = LineageNode("span", "bb" * 32, "clean", (LineageNode("artifact", "cc" * 32, "raw#1"), shared))
    other = LineageNode("artifact", "dd" * 32, "settings#1")
    root = LineageNode("artifact", "aa" * 32, "model#1", (made, other))
    assert list(lineage_lines(root, bare)) == [
        "model#1  aaaaaaaaaaaa",
        "├─ clean  %bbbbbbbbbbbb",
        "│  ├─ raw#1  cccccccccccc",
        "│  └─ raw#1  cccccccccccc  (see above)",
        "└─ settings#1  dddddddddddd",
    ]
    items = list(lineage_items(root))
    assert [(item["title"], item["depth"]) for item in items] == [
        ("model#1", 0),
        ("clean", 1),
        ("settings#1", 1),
        ("raw#1", 2),
    ]
    assert items[0]["next"] == ["bb" * 32, "dd" * 32]


def test_deep_lineage_needs_no_deep_stack() -> None:
    assert len(list(lineage_lines(chain(5000), bare))) == 5000
    assert len(list(lineage_items(chain(5000)))) == 5000
