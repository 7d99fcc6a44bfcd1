"""Spans: lines of a list, and everything about one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cas.cli.render.text import Style, When, clean, columns, duration, iso, pairs, short, size
from cas.cli.render.values import to_json
from cas.cli.render.versions import aligned

if TYPE_CHECKING:
    from cas.repository.info import SpanInfo, SpanLink
    from cas.repository.version import ArtifactVersion

__all__ = ["span_detail", "span_lines"]

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


def _remark(span: SpanInfo) -> str:
    if span.error:
        message = span.error.get("message") or span.error.get("type") or ""
        return clean(str(message))[:80]
    return pairs(span.metadata)[:80]


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
