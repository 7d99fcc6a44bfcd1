"""Names with their counts, for ``cas ls``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cas.cli.render.text import Style, When, clean, columns, count

if TYPE_CHECKING:
    from cas.repository.info import NameInfo

__all__ = ["name_lines"]


def name_lines(names: Iterable[NameInfo], when: When, style: Style) -> list[str]:
    """A line each: name, partition keys, type, partitions, versions, last change, description."""
    rows = []
    for name in names:
        keys = list(name.keys) + ([f"time:{name.granularity}"] if name.granularity else [])
        rows.append(
            [
                style(clean(name.name), bold=True),
                clean(f"@{','.join(keys)}") if keys else "",
                name.type or "-",
                count(name.partitions, "partition"),
                count(name.versions, "version"),
                when(name.latest),
                clean(name.description or ""),
            ]
        )
    return columns(rows)
