"""Versions of artifacts: one line after a put, lines of a log, and everything about one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from cas.cli.render.text import Style, When, clean, columns, iso, pairs, short, size
from cas.lazy import late

if TYPE_CHECKING:
    from cas.cli.render import values
    from cas.repository.version import ArtifactVersion
else:
    (values,) = late("cas.cli.render", "values")

__all__ = ["detail_lines", "log_lines", "put_line", "version_rows"]


def put_line(version: ArtifactVersion, changed: bool) -> str:
    """``flights#3fa9c1d2e4b5  9d2c41f0a7e3  table  29 MB``, with ``unchanged`` where nothing is new."""
    line = f"{clean(version.ref)}  {short(version.id)}  {version.type}  {size(version.size)}"
    return line if changed else f"{line}  unchanged"


def log_lines(
    versions: Iterable[ArtifactVersion], aliases: Callable[[ArtifactVersion], list[str]], when: When, style: Style
) -> list[str]:
    """A line each, as ``git log --oneline`` shows commits: id, ref, aliases, type, size, time, span, metadata."""
    rows = []
    for version in versions:
        names = aliases(version)
        marked = style(clean(version.ref), bold=True)
        if names:
            marked += " " + style(f"({', '.join(clean(name) for name in names)})", fg="green")
        rows.append(
            [
                style(short(version.id), fg="yellow"),
                marked,
                version.type,
                size(version.size),
                when(version.created),
                f"%{short(version.span)}" if version.span else "",
                _meta(version.metadata),
            ]
        )
    return columns(rows, right=(3,))


def version_rows(versions: Iterable[ArtifactVersion], when: When) -> list[str]:
    """The latest of each partition: partition, version, id, type, size, time."""
    rows = [
        [
            clean(version.ref),
            short(version.id),
            version.type,
            size(version.size),
            when(version.created),
        ]
        for version in versions
    ]
    return columns(rows, right=(3,))


def detail_lines(version: ArtifactVersion, aliases: list[str], style: Style) -> list[str]:
    """Everything about a version, a field a line."""
    fields: list[tuple[str, str]] = [
        ("artifact", version.id),
        ("ref", clean(version.ref) if version.version else "-"),
        ("literal", version.literal_id),
        ("type", version.type),
        ("size", f"{size(version.size)} ({version.size:,} bytes)" if version.size >= 1000 else size(version.size)),
    ]
    if version.name:
        fields.append(("name", f"{version.project}/{version.domain}/{clean(version.name)}"))
    fields += [(f"  {clean(key)}", clean(value)) for key, value in version.partitions.items()]
    if version.time:
        fields.append(("  time", version.time))
    if version.version:
        fields.append(("version", clean(version.version)))
    if aliases:
        fields.append(("aliases", ", ".join(clean(alias) for alias in aliases)))
    if version.created:
        fields.append(("created", iso(version.created)))
    if version.span:
        fields.append(("made by", f"%{version.span}" + (f" as {clean(version.label)}" if version.label else "")))
    if version.metadata:
        fields.append(("metadata", ""))
        fields += [(f"  {clean(str(key))}", _field(value)) for key, value in version.metadata.items()]
    cards, types, ids = version.cards, version.card_types, version.card_ids
    if cards:
        fields.append(("cards", ""))
        fields += [
            (f"  {clean(name)}", f"{short(ids[name])}  {clean(types[name])}, {size(len(page))}")
            for name, page in cards.items()
        ]
    return [*aligned(fields, style), *_pages(cards, types, style)]


def _pages(cards: dict[str, bytes], types: dict[str, str], style: Style) -> list[str]:
    """The cards that are text, each under its name."""
    lines = []
    for name, page in cards.items():
        if types[name].startswith("text/") or types[name] == "application/json":
            text = clean(page.decode(errors="replace"), keep="\n\t").rstrip("\n")
            lines += ["", style(f"card {clean(name)}", bold=True), *text.split("\n")]
    return lines


def aligned(fields: list[tuple[str, str]], style: Style) -> list[str]:
    """``name      value`` lines, the names in one column."""
    width = max(len(name) for name, _ in fields)
    return [f"{style(name.ljust(width), fg='cyan')}  {value}".rstrip() for name, value in fields]


def _field(value: Any) -> str:
    return clean(value) if isinstance(value, str) else clean(values.to_json(value))


def _meta(metadata: dict[str, Any]) -> str:
    line = pairs({key: value if isinstance(value, str) else values.to_json(value) for key, value in metadata.items()})
    return line if len(line) <= 60 else line[:59] + "…"
