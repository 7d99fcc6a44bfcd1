"""A repository at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cas.cli.render.spans import span_lines
from cas.cli.render.text import Style, When, clean, count, size
from cas.cli.render.versions import aligned

if TYPE_CHECKING:
    from cas.repository.info import Status

__all__ = ["status_lines"]


def status_lines(status: Status, when: When, style: Style) -> list[str]:
    """Where it is, what it holds, how large it is, and which spans are open."""
    held = [
        count(status.names, "name"),
        count(status.partitions, "partition"),
        count(status.versions, "version"),
        count(status.spans, "span"),
    ]
    fields = [
        ("repository", clean(str(status.path))),
        ("names in", f"{status.project}/{status.domain}"),
        ("holds", ", ".join(held)),
        ("objects", f"{size(status.bytes)} in {count(status.packs, 'pack')}"),
        ("ref log", f"{size(status.log_bytes)} in {count(status.segments, 'segment')}"),
    ]
    lines = aligned(fields, style)
    if status.open_spans:
        lines += ["", style("open spans", fg="cyan")]
        lines += [f"  {line}" for line in span_lines(status.open_spans, when, style)]
    return lines
