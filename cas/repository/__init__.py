"""The facade: one repository, its puts and gets, its history and spans (docs/design.md, The main path)."""

from __future__ import annotations

from cas.repository.opening import init, open_repository
from cas.repository.repository import ANY, Repository
from cas.repository.version import ArtifactVersion

__all__ = ["ANY", "ArtifactVersion", "Repository", "init", "open_repository"]
