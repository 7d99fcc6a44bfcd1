"""Stored types whose codec registers when its module is imported: the face names the modules of rooms above this one.

Reading a stored model in a process that imported no models then finds its codec; nothing found in stored bytes imports
anything.
"""

from __future__ import annotations

__all__ = ["PLACES"]

PLACES: dict[str, str] = {}
"""Stored type → module."""
