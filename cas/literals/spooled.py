"""Bytes that lie in a file, for who has more of them than memory holds. Alone, so that it loads no codec."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Spooled"]


class Spooled(NamedTuple):
    """Stored as bytes, not as a file."""

    path: Path
