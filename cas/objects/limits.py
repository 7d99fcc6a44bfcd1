"""Sizes that decide how objects are laid out; tests inject small ones."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Limits"]


class Limits(NamedTuple):
    """``pack``: bytes at which a writer begins another pack. ``part``: chunks in one part of a map, and in a map
    without parts. ``stretch``: bytes of a stream cut, hashed and written at a time."""

    pack: int = 4 << 30
    part: int = 65_536
    stretch: int = 2 << 20
    merged: int = 256 << 20
    crowd: int = 16
