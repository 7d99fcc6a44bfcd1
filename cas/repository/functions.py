"""The verbs of the current repository, as functions: ``cas.put(…)`` is ``cas.current().put(…)``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from cas.lazy import late
from cas.repository.current import current
from cas.repository.repository import ANY

if TYPE_CHECKING:
    import os

    from cas.repository import exchange
    from cas.repository.info import DeletePlan, NameInfo
    from cas.repository.repository import Repository
    from cas.repository.spanning import ActiveSpan
    from cas.repository.version import ArtifactVersion
else:
    (exchange,) = late("cas.repository", "exchange")

__all__ = ["alias", "clone", "declare", "delete", "find", "get", "log", "put", "put_many", "resolve", "span"]


def clone(url: str, directory: str | os.PathLike[str] | None = None, **how: Any) -> Repository:
    """A new repository with what is at a URL, its remote ``origin``; see :func:`cas.repository.exchange.clone`."""
    return exchange.clone(url, directory, **how)[0]


def put(
    value: object,
    ref: str,
    *,
    version: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    cards: Mapping[str, Any] | None = None,
    allow_pickle: bool = False,
) -> ArtifactVersion:
    """As :meth:`Repository.put`."""
    return current().put(value, ref, version=version, metadata=metadata, cards=cards, allow_pickle=allow_pickle)


def put_many(items: Iterable[tuple[object, str]]) -> list[ArtifactVersion]:
    """As :meth:`Repository.put_many`."""
    return current().put_many(items)


def get(ref: object, *, allow_pickle: bool = False) -> Any:
    """As :meth:`Repository.get`."""
    return current().get(ref, allow_pickle=allow_pickle)


def resolve(ref: str, *, strict: bool = False) -> ArtifactVersion:
    """As :meth:`Repository.resolve`."""
    return current().resolve(ref, strict=strict)


def log(ref: str | None = None, *, limit: int | None = None) -> list[ArtifactVersion]:
    """As :meth:`Repository.log`."""
    return current().log(ref, limit=limit)


def find(pattern: str = "*", **criteria: Any) -> list[ArtifactVersion]:
    """As :meth:`Repository.find`."""
    return current().find(pattern, **criteria)


def alias(ref: str, alias: str, *, expect: object = ANY, replace: bool = False) -> ArtifactVersion:
    """As :meth:`Repository.alias`."""
    return current().alias(ref, alias, expect=expect, replace=replace)


def delete(ref: str) -> DeletePlan:
    """As :meth:`Repository.delete`."""
    return current().delete(ref)


def declare(name: str, **what: Any) -> NameInfo:
    """As :meth:`Repository.declare`."""
    return current().declare(name, **what)


def span(label: str, *, metadata: Mapping[str, Any] | None = None, atomic: bool = False) -> ActiveSpan:
    """As :meth:`Repository.span`."""
    return current().span(label, metadata=metadata, atomic=atomic)
