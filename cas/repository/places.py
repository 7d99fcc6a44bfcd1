"""Where the names of storages lead: what the repository's own config says, and whoever was told to ask besides.

``[storage.NAME] url = "…"`` is a directory or URL; a remote's name leads to the folder ``stored`` at that remote.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from cas.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ask", "configured", "place_of"]

_ASKED: list[Callable[[str], str | None]] = []


def ask(where: Callable[[str], str | None]) -> None:
    """Ask ``where`` for the place of a storage's name before the repository in use is asked: for the roof, which knows
    the user's settings. Replaces what was to be asked."""
    _ASKED[:] = [where]


def place_of(name: str) -> str | None:
    """The directory or URL of a storage's name; None where nobody says. Raises UsageError for unusable settings."""
    from cas.repository.current import current_or_none

    for where in _ASKED:
        found = where(name)
        if found is not None:
            return found
    repository = current_or_none()
    return None if repository is None else configured(repository.config.settings, name, repository.root.parent)


def configured(settings: Mapping[str, Any], name: str, base: Path) -> str | None:
    """The place that a config gives a name: its ``[storage.NAME]``, else its ``[remote.NAME]``; directories count from
    ``base``. Raises UsageError."""
    from pathlib import Path  # not above: this module is loaded on the way to every answer, to be told whom to ask

    for kind, below in (("storage", ""), ("remote", "/stored")):
        sections = settings.get(kind, {})
        section = sections.get(name) if isinstance(sections, Mapping) else None
        if section is None:
            continue
        url = section.get("url") if isinstance(section, Mapping) else None
        if not isinstance(url, str) or not url:
            raise UsageError(
                f"[{kind}.{name}] does not say where it is", hint='write url = "s3://bucket/folder", or a directory'
            )
        return (url if "://" in url else str(base / Path(url).expanduser())) + below
    return None
