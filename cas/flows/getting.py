"""Artifacts by whatever names them: for interactive use."""

from __future__ import annotations

from cas.flows import reading
from cas.repository import ArtifactVersion, Repository

__all__ = ["get_artifact", "list_names"]


def get_artifact(what: object, repository: Repository | None = None) -> ArtifactVersion:
    """As :meth:`Repository.get_artifact`, in the current repository where none is given."""
    return (repository or reading.repository()).get_artifact(what)


def list_names(
    pattern: str = "*",
    *,
    limit: int | None = None,
    after: str | None = None,
    repository: Repository | None = None,
) -> list[str]:
    """The names of the artifacts that match a glob, sorted; at most ``limit``, those past ``after``."""
    reading.check_limit(limit)
    found = sorted(info.name for info in (repository or reading.repository()).names(pattern))
    return [name for name in found if after is None or name > after][:limit]
