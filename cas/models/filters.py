"""Filters on spans and artifacts, composed with ``&`` and ``|``, each question one SQL statement.

The two kinds mix: an artifact fits a SpanFilter when the span that made it does, a span fits an ArtifactFilter when one
of its artifacts does.

>>> slow = SpanFilter(label="train*", fields={"learning_rate": ValueFilter(lt=0.1)})
>>> repo.spans(slow & SpanFilter(status="ok"))
>>> repo.find(ArtifactFilter(model=Report) & slow)
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cas.catalog.rows import SpanRow, unpack
from cas.catalog.spans import NUMBER
from cas.errors import UsageError
from cas.models import searchable
from cas.models.classes import entry_of, names_of
from cas.models.conditions import Sql, ValueFilter, compare, json_path, microseconds
from cas.models.declare import ModelBase
from cas.models.inflight import elsewhere, in_flight
from cas.models.span import Span, kinds_of, span_of
from cas.models.tree import span_bytes
from cas.repository import history
from cas.repository.version import ArtifactVersion

if TYPE_CHECKING:
    from cas.repository.repository import Repository

__all__ = ["ArtifactFilter", "Filter", "SpanFilter", "ValueFilter"]

_DOWN = (
    f"s.seq IN (WITH RECURSIVE tree (seq) AS (SELECT seq FROM span WHERE up = {NUMBER}"
    " UNION ALL SELECT span.seq FROM span JOIN tree ON span.up = tree.seq) SELECT seq FROM tree)"
)
_UP = (
    "s.seq IN (WITH RECURSIVE line (seq) AS (SELECT up FROM span WHERE id = ?"
    " UNION ALL SELECT span.up FROM span JOIN line ON span.seq = line.seq WHERE span.up IS NOT NULL)"
    " SELECT seq FROM line)"
)
_MADE = "SELECT 1 FROM output AS o JOIN searchable AS a ON a.artifact = o.artifact"
_TIP = "SELECT 1 FROM version AS v JOIN ref AS r ON r.tip = v.id"
_LATEST = (
    f"(EXISTS ({_TIP} WHERE v.artifact = a.artifact)"
    " OR (NOT EXISTS (SELECT 1 FROM version AS v WHERE v.artifact = a.artifact)"
    " AND EXISTS (SELECT 1 FROM output AS o WHERE o.artifact = a.artifact)))"
)
_CREATED = (
    "COALESCE((SELECT MIN(v.stamp) FROM version AS v WHERE v.artifact = a.artifact),"
    " (SELECT opened FROM span WHERE id = a.span), 0)"
)
_UPDATED = _CREATED.replace("MIN(", "MAX(")


class Filter:
    """What ``&`` and ``|`` compose; ``repo.spans(filter)`` and ``repo.find(filter)`` ask it."""

    def __and__(self, other: Filter) -> Filter:
        return _Joined("AND", _flat("AND", self) + _flat("AND", other))

    def __or__(self, other: Filter) -> Filter:
        return _Joined("OR", _flat("OR", self) + _flat("OR", other))

    def on_spans(self, repository: Repository) -> Sql:
        """The condition on a span ``s``."""
        condition, values = self.on_artifacts(repository)
        return f"EXISTS ({_MADE} WHERE o.span = s.id AND o.label IS NOT NULL AND ({condition}))", values

    def on_artifacts(self, repository: Repository) -> Sql:
        """The condition on an artifact ``a``."""
        condition, values = self.on_spans(repository)
        return f"a.span IN (SELECT s.id FROM span AS s WHERE {condition})", values

    def filtered(self, *, label: Any = None, status: Any = None, fields: Mapping[str, Any] | None = None) -> Filter:
        """This, and what else ``repo.spans`` was given."""
        return self & SpanFilter(label=label, status=status, fields=fields or None)

    def spans(self, repository: Repository, limit: int | None = None) -> list[Span]:
        """The spans that fit, each of its own class, newest first."""
        history.check_limit(limit)
        with repository.lock:
            condition, values = self.on_spans(repository)
            fits = f"s.status <> 'deleted' AND {condition}"
            sql = f"SELECT s.id, s.row FROM span AS s WHERE {fits} ORDER BY s.opened DESC, s.id DESC LIMIT ?"
            found: dict[bytes, SpanRow] = {}
            told: set[bytes] = set()  # a closed span that is open again is as the first place says
            for database in _databases(repository):
                most = -1 if limit is None else limit + len(told)
                for ident, row in database.execute(sql, [*values, most]):
                    if ident not in told:
                        found[ident] = unpack(row)
                if database is not repository.catalog.database.connection:
                    told.update(ident for (ident,) in database.execute("SELECT id FROM span"))
                told.update(found)
        rows = sorted(found.values(), key=lambda row: (row.opened, row.id), reverse=True)
        return [span_of(row) for row in rows[:limit]]

    def artifacts(self, repository: Repository, limit: int | None = None) -> list[ArtifactVersion]:
        """The artifacts that fit, newest first: of a ref its latest, and what spans only labelled."""
        history.check_limit(limit)
        with repository.lock:
            condition, values = self.on_artifacts(repository)
            sql = (
                f"SELECT a.artifact, {_CREATED} AS created FROM searchable AS a WHERE {_LATEST} AND {condition}"
                " ORDER BY created DESC, a.artifact LIMIT ?"
            )
            found: dict[bytes, int] = {}
            for database in _databases(repository):
                for artifact, created in database.execute(sql, [*values, -1 if limit is None else limit]):
                    found.setdefault(artifact, created)
            ids = sorted(found, key=lambda artifact: (-found[artifact], artifact))[:limit]
            return [repository.version_of(artifact) for artifact in ids]


class _Joined(Filter):
    """Filters joined by AND or by OR."""

    def __init__(self, word: str, parts: Sequence[Filter]) -> None:
        self.word = word
        self.parts = tuple(parts)

    def on_spans(self, repository: Repository) -> Sql:
        return _join(self.word, [part.on_spans(repository) for part in self.parts])

    def on_artifacts(self, repository: Repository) -> Sql:
        return _join(self.word, [part.on_artifacts(repository) for part in self.parts])

    def __repr__(self) -> str:
        return "(" + {"AND": " & ", "OR": " | "}[self.word].join(map(repr, self.parts)) + ")"


class _Given(Filter):
    """A filter of keyword arguments; those left out say nothing."""

    def __init__(self, **given: Any) -> None:
        self.given = {name: value for name, value in given.items() if value is not None}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.given.items())})"


class SpanFilter(_Given):
    """Spans by ``label`` (also a pattern), ``status``, ``kind`` (a Span subclass, with its subclasses, or several),
    times ``opened`` and ``closed``, ``metadata`` and ``fields`` (``{name: value}``), and place: whose ``parent``,
    ``child``, ``ancestor`` or ``descendant`` a given span is.

    Each value may be a :class:`ValueFilter`.
    """

    def __init__(
        self,
        *,
        label: str | ValueFilter | None = None,
        status: str | ValueFilter | None = None,
        kind: type[Span] | Iterable[type[Span]] | None = None,
        opened: Any = None,
        closed: Any = None,
        metadata: Mapping[str, Any] | None = None,
        fields: Mapping[str, Any] | None = None,
        parent: Any = None,
        child: Any = None,
        ancestor: Any = None,
        descendant: Any = None,
    ) -> None:
        super().__init__(
            label=label, status=status, kind=kind, opened=opened, closed=closed, metadata=metadata, fields=fields,
            parent=parent, child=child, ancestor=ancestor, descendant=descendant,
        )  # fmt: skip

    def on_spans(self, repository: Repository) -> Sql:
        parts: list[Sql] = []
        for name, value in self.given.items():
            if name in {"label", "status"}:
                parts.append(compare(f"s.{name}", value, patterns=True))
            elif name in {"opened", "closed"}:
                parts.append(compare(f"s.{name}", value, form=microseconds))
            elif name == "kind":
                parts.append(_kind_condition(value))
            elif name == "metadata":
                parts.extend(compare(json_path("s.meta", key), wanted) for key, wanted in value.items())
            elif name == "fields":
                parts.extend(compare(json_path("s.fields", key), wanted) for key, wanted in value.items())
            else:
                parts.append((_PLACES[name], [span_bytes(repository, value)]))
        return _join("AND", parts)


class ArtifactFilter(_Given):
    """Artifacts by ``label`` and ``name`` (also patterns), ``type``, ``model`` (a class with its subclasses, or a
    stored name), its ``version``, times ``created`` and ``updated`` (last published), ``metadata`` and ``fields`` (of a
    model, or keys of a dict), and the ``span`` that made it.

    Each value may be a :class:`ValueFilter`.
    """

    def __init__(
        self,
        *,
        label: str | ValueFilter | None = None,
        name: str | ValueFilter | None = None,
        type: str | ValueFilter | None = None,  # noqa: A002 - the word users know
        model: Any = None,
        version: int | ValueFilter | None = None,
        created: Any = None,
        updated: Any = None,
        metadata: Mapping[str, Any] | None = None,
        fields: Mapping[str, Any] | None = None,
        span: Any = None,
    ) -> None:
        super().__init__(
            label=label, name=name, type=type, model=model, version=version, created=created, updated=updated,
            metadata=metadata, fields=fields, span=span,
        )  # fmt: skip

    def on_artifacts(self, repository: Repository) -> Sql:
        parts: list[Sql] = []
        for name, value in self.given.items():
            if name in {"label", "type"}:
                parts.append(compare(f"a.{name}", value, patterns=True))
            elif name == "name":
                condition, values = compare("n.name", value, patterns=True)
                named = f"{_TIP} JOIN name AS n ON n.id = r.name WHERE v.artifact = a.artifact AND {condition}"
                parts.append((f"EXISTS ({named})", values))
            elif name == "model":
                parts.append(compare("a.model", _model_name(value), patterns=True))
            elif name == "version":
                parts.append(compare("a.version", value))
            elif name == "created":
                parts.append(compare(_CREATED, value, form=microseconds))
            elif name == "updated":
                parts.append(compare(_UPDATED, value, form=microseconds))
            elif name == "metadata":
                parts.extend(compare(json_path("a.meta", key), wanted) for key, wanted in value.items())
            elif name == "fields":
                parts.extend(compare(json_path("a.fields", key), wanted) for key, wanted in value.items())
            else:
                parts.append(("a.span = ?", [span_bytes(repository, value)]))
        return _join("AND", parts)


_PLACES = {
    "parent": f"s.up = {NUMBER}",
    "child": "s.seq = (SELECT up FROM span WHERE id = ?)",
    "ancestor": _DOWN,
    "descendant": _UP,
}


def _flat(word: str, one: Any) -> tuple[Filter, ...]:
    if not isinstance(one, Filter):
        raise UsageError(f"{one!r:.80} is no filter", hint="SpanFilter(…) & ArtifactFilter(…)")
    return one.parts if isinstance(one, _Joined) and one.word == word else (one,)


def _join(word: str, parts: Sequence[Sql]) -> Sql:
    if not parts:
        return "1", []
    return _balanced(word, [condition for condition, _ in parts]), [value for _, values in parts for value in values]


def _balanced(word: str, conditions: Sequence[str]) -> str:
    """Conditions joined by halves: SQLite takes expressions that are a thousand levels deep, and no deeper."""
    if len(conditions) == 1:
        return f"({conditions[0]})"
    middle = len(conditions) // 2
    return f"({_balanced(word, conditions[:middle])} {word} {_balanced(word, conditions[middle:])})"


def _kind_condition(wanted: Any) -> Sql:
    kinds: list[str] = []
    for cls in wanted if isinstance(wanted, list | tuple | set | frozenset) else (wanted,):
        if not (isinstance(cls, type) and issubclass(cls, Span)):
            raise UsageError(f"{cls!r} is no Span class", hint="SpanFilter(kind=MySpan)")
        known = kinds_of(cls)
        if known is None:
            return "1", []
        kinds += known
    return compare("s.kind", ValueFilter(in_=kinds))


def _model_name(wanted: Any) -> Any:
    """What a stored model's name must be: of a class its own, those of its subclasses, and what they were called."""
    if not isinstance(wanted, type):
        return wanted
    if entry_of(wanted) is not None:
        return ValueFilter(in_=names_of(wanted))
    if issubclass(wanted, ModelBase):
        return ValueFilter(is_null=False)
    raise UsageError(f"{wanted.__qualname__} is no model class", hint="ArtifactFilter(model=MyModel)")


def _databases(repository: Repository) -> list[sqlite3.Connection]:
    """Where to ask: the spans in flight, and the catalog; both with what can be searched of every artifact."""
    flying = in_flight(repository)
    flying.queries()
    history.catch_up_all(repository)
    repository.catalog.spans()
    databases = [repository.catalog.database.connection]
    searchable.fill(repository, databases[0])
    for place, database in ((0, flying.database), (2, elsewhere(repository))):
        if database is not None:
            databases.insert(place, database)
            searchable.fill(repository, database)
    return databases
