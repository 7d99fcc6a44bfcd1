"""Artifacts by whatever names them: for interactive use."""

from __future__ import annotations

from cas.errors import UsageError
from cas.flows import reading
from cas.flows.interface import as_query
from cas.flows.query import settle
from cas.flows.uri import is_uri, parse_uri
from cas.refs import grammar
from cas.repository import ArtifactVersion, Repository

__all__ = ["get_artifact", "list_names"]


def get_artifact(what: object, repository: Repository | None = None) -> ArtifactVersion:
    """The version that a ref, a ``flyte://`` address, a query or a declaration names, of the current repository.

    ``.get()`` reads its value, ``.get(path)`` downloads a file or directory. Raises RefNotFound, RefSyntax.
    """
    repo = repository or reading.repository()
    if isinstance(what, ArtifactVersion):
        return what
    if isinstance(what, str):
        return repo.resolve(grammar.format(parse_uri(what)) if is_uri(what) else what)
    query = as_query(what)
    if query is None:
        raise UsageError(f"{what!r} names no artifact", hint="give a ref, a flyte:// address, a query or an Artifact")
    found = query.latest_in(repo)
    if found is None:
        raise reading.nothing(repo, settle(query, {}, {}))
    return found


def list_names(pattern: str = "*", *, limit: int | None = None, repository: Repository | None = None) -> list[str]:
    """The names of the artifacts that match a glob, sorted; at most ``limit``."""
    repo = repository or reading.repository()
    return [info.name for info in repo.names(pattern)][:limit]
