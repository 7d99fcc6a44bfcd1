"""Artifacts by whatever names them, and searches over names, partitions, types and metadata."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from itertools import islice
from typing import TYPE_CHECKING, Any

from cas.catalog import selection
from cas.catalog.selection import TimeRange
from cas.errors import UsageError
from cas.refs.names import Name
from cas.repository import history, resolving
from cas.repository.current import lock_for
from cas.repository.version import ArtifactVersion

if TYPE_CHECKING:
    from cas.repository.repository import Repository

__all__ = ["get_artifact", "search"]


Scope = tuple[str | None, str | None]
Times = Sequence[str] | TimeRange | None


def get_artifact(repository: Repository, what: object) -> ArtifactVersion:
    """The version that something names: a text is resolved; others are asked for their ``version_in(…)``."""
    if isinstance(what, ArtifactVersion):
        return what
    if isinstance(what, str):
        return repository.resolve(what)
    asked = getattr(what, "version_in", None)
    if asked is None:
        raise UsageError(f"{what!r} names no artifact", hint="give a ref, a flyte:// address, a query or an Artifact")
    found: ArtifactVersion = asked(repository)
    return found


def search(
    repository: Repository,
    what: Any,
    scope: Scope,
    *,
    partitions: Mapping[str, Any] | None,
    time: Any,
    type_: str | None,
    metadata: Mapping[str, Any] | None,
    limit: int | None,
) -> list[ArtifactVersion]:
    """The latest version of each partition that matches, newest first; also of what gives ``versions_in(…)``."""
    history.check_limit(limit)
    if isinstance(what, str):
        names = _names(repository, what, scope)
        found = [one for name in names for one in _tips(repository, name, partitions, time)]
        if (lock := lock_for(repository)) is not None:
            found = lock.tips(repository, found, lambda one: _fits(one, names, partitions, _times(time)))
    else:
        if not hasattr(what, "versions_in"):
            raise UsageError(f"{what!r} cannot be searched for", hint="give a name, a query or an Artifact")
        if partitions or time is not None or scope != (None, None):
            raise UsageError(
                f"{what!r} says its own partitions, time, project and domain", hint="put them in the query"
            )
        found = list(what.versions_in(repository))
    kept: Iterable[ArtifactVersion] = history.newest_first(found)
    if type_ is not None:
        kept = (one for one in kept if fnmatchcase(one.type, type_))
    if metadata:
        items = list(metadata.items())
        kept = (one for one in kept if all(key in one.metadata and one.metadata[key] == value for key, value in items))
    return list(islice(kept, limit))


def _names(repository: Repository, pattern: str, scope: Scope) -> list[Name]:
    history.catch_up_all(repository)
    project, domain = scope
    parts = pattern.split("/")
    if len(parts) == 3:
        project, domain, pattern = parts
    project, domain = project or repository.project, domain or repository.domain
    return [
        one
        for one in repository.catalog.refs.names()
        if fnmatchcase(one.project, project) and fnmatchcase(one.domain, domain) and fnmatchcase(one.name, pattern)
    ]


def _tips(repository: Repository, name: Name, partitions: Mapping[str, Any] | None, time: Any) -> list[ArtifactVersion]:
    connection = repository.catalog.database.connection
    keys: dict[str, list[str]] = {}
    for key, wanted in (partitions or {}).items():
        if wanted == "*":
            continue
        each = [wanted] if isinstance(wanted, str) else list(wanted)
        if any("*" in one or "?" in one for one in each):
            there = selection.values(connection, name, key, {})
            each = [value for value in there if any(fnmatchcase(value, one) for one in each)] or each
        keys[key] = each
    rows = selection.tips(connection, name, keys, _times(time))
    return [resolving.from_row(repository, row) for row in rows]


def _fits(
    version: ArtifactVersion, names: Collection[Name], partitions: Mapping[str, Any] | None, times: Times
) -> bool:
    """Whether a version is one of those that :func:`_tips` would give, were it there."""
    if Name(version.project or "", version.domain or "", version.name or "") not in names:
        return False
    for key, wanted in (partitions or {}).items():
        value = version.partitions.get(key)
        each = [wanted] if isinstance(wanted, str) else wanted
        if wanted != "*" and (value is None or not any(value == one or fnmatchcase(value, one) for one in each)):
            return False
    if times is None or version.time is None:
        return times is None
    return times.holds(version.time) if isinstance(times, TimeRange) else version.time in times


def _times(time: Any) -> Times:
    if time is None or isinstance(time, TimeRange):
        return time
    if isinstance(time, tuple):
        if len(time) != 2:
            raise UsageError(f"a range of times has two ends, not {len(time)}: {time!r}")
        first, last = (None if end is None else _text(end) for end in time)
        return TimeRange(first, last)
    if isinstance(time, (list, set, frozenset)):
        return [_text(one) for one in time]
    text = _text(time)
    return TimeRange(text, text)


def _text(time: Any) -> str:
    """The prefix that a time is: of a datetime as far as it says something, in UTC."""
    if isinstance(time, str):
        return time
    if not isinstance(time, datetime):
        return str(time.isoformat())
    if time.tzinfo is not None:
        time = time.astimezone(timezone.utc)
    text: str = time.replace(tzinfo=None).isoformat(timespec="minutes")
    return text.removesuffix(":00").removesuffix("T00")
