"""Spans: lines of a list, and everything about one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from cas.cli.render.text import Style, When, clean, columns, duration, iso, pairs, short, size
from cas.cli.render.values import to_json
from cas.cli.render.versions import aligned

if TYPE_CHECKING:
    from cas.models.outline import OutlineItem, OutlineSpan
    from cas.repository.info import SpanInfo, SpanLink
    from cas.repository.version import ArtifactVersion

__all__ = ["outline_items", "outline_lines", "run_lines", "span_detail", "span_lines"]

_COLOURS = {"ok": "green", "failed": "red", "open": "yellow", "abandoned": "magenta"}


def span_lines(spans: Iterable[SpanInfo], when: When, style: Style) -> list[str]:
    """A line each: id, label, status, start, how long, error or metadata."""
    rows = [
        [
            style(f"%{short(span.id)}", fg="yellow"),
            style(clean(span.label), bold=True),
            style(span.status, fg=_COLOURS.get(span.status)),
            when(span.opened_at),
            duration(span.opened_at, span.closed_at),
            _remark(span),
        ]
        for span in spans
    ]
    return columns(rows, right=(4,))


def span_detail(
    span: SpanInfo, inputs: Iterable[SpanLink], outputs: Iterable[ArtifactVersion], style: Style
) -> list[str]:
    """Everything about a span: its fields, what it read, what it made."""
    fields = [
        ("span", f"%{span.id}"),
        ("label", clean(span.label)),
        ("status", style(span.status, fg=_COLOURS.get(span.status))),
        ("opened", iso(span.opened_at)),
    ]
    if span.closed_at is not None:
        fields.append(("closed", f"{iso(span.closed_at)} (after {duration(span.opened_at, span.closed_at)})"))
    if span.parent:
        fields.append(("parent", f"%{span.parent}"))
    for title, mapping in (
        ("metadata", span.metadata),
        ("code", span.code),
        ("fields", span.fields),
        ("error", span.error),
    ):
        if mapping:
            fields.append((title, ""))
            fields += [
                (f"  {clean(str(key))}", clean(value if isinstance(value, str) else to_json(value), keep=""))
                for key, value in mapping.items()
            ]
    lines = aligned(fields, style)
    read = [_input_row(item) for item in inputs]
    made = [_output_row(item) for item in outputs]
    if read:
        lines += ["", style("read", fg="cyan"), *(f"  {line}" for line in columns(read))]
    if made:
        lines += ["", style("made", fg="cyan"), *(f"  {line}" for line in columns(made, right=(3,)))]
    return lines


def run_lines(spans: Iterable[SpanInfo], when: When, style: Style) -> list[str]:
    """The runs of a label, a line each: id, status, start, how long, fields and metadata, error."""
    rows = [
        [
            style(f"%{short(span.id)}", fg="yellow"),
            style(span.status, fg=_COLOURS.get(span.status)),
            when(span.opened_at),
            duration(span.opened_at, span.closed_at),
            " ".join(filter(None, (pairs(span.fields), pairs(span.metadata), _error(span)))),
        ]
        for span in spans
    ]
    return columns(rows, right=(3,))


def outline_lines(spans: Iterable[OutlineSpan], style: Style) -> Iterator[str]:
    """Spans inside spans as ``tree`` draws directories, below each first what it made."""
    left: list[int] = []  # of each level, how many spans are still to come
    for span in spans:
        del left[span.depth :]
        lead = joint = bar = ""
        if left:
            left[-1] -= 1
            lead = "".join("│  " if more else "   " for more in left[:-1])
            joint, bar = ("├─ ", "│  ") if left[-1] else ("└─ ", "   ")
        yield lead + joint + _span_line(span.info, style)
        for place, item in enumerate(span.made, 1):
            last = place == len(span.made) and not span.children
            yield f"{lead}{bar}{'└─ ' if last else '├─ '}{_item_line(item, span.info.status, style)}"
        left.append(span.children)


def outline_items(spans: Iterable[OutlineSpan]) -> Iterator[dict[str, Any]]:
    """The same for programs: each span with its depth and what it made."""
    for span in spans:
        yield {**span.info.to_dict(), "depth": span.depth, "made": [item._asdict() for item in span.made]}


def _span_line(span: SpanInfo, style: Style) -> str:
    parts = [
        style(clean(span.label), bold=True),
        style(span.status, fg=_COLOURS.get(span.status)),
        duration(span.opened_at, span.closed_at) if span.closed_at is not None else "",
        style(f"%{short(span.id)}", fg="yellow"),
        _error(span),
    ]
    return "  ".join(filter(None, parts))


def _item_line(item: OutlineItem, status: str, style: Style) -> str:
    name = f"//{item.label}" if item.label is not None else item.ref or "-"
    held = "not published" if item.label is None and status in ("failed", "abandoned") else ""
    return "  ".join(filter(None, (clean(name), clean(item.title), style(short(item.id), fg="yellow"), held)))


def _error(span: SpanInfo) -> str:
    if not span.error:
        return ""
    return clean(str(span.error.get("message") or span.error.get("type") or ""))[:80]


def _remark(span: SpanInfo) -> str:
    return _error(span) or pairs(span.metadata)[:80]


def _input_row(link: SpanLink) -> list[str]:
    asked = link.asked if link.asked and link.asked != link.ref else None
    return [
        short(link.artifact or link.literal),
        clean(link.ref or link.asked or link.type or "-"),
        f"asked for as {clean(asked)}" if asked and link.ref else "",
        f"argument {clean(link.name)}" if link.name else "",
    ]


def _output_row(version: ArtifactVersion) -> list[str]:
    name = version.ref if version.version else f"//{version.label}" if version.label else "-"
    return [short(version.id), clean(name), version.type, size(version.size)]
