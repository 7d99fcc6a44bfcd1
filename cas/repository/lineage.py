"""Which run made what from what: answers from closed spans, and from those still open here or elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, TypeVar

from cas.errors import AmbiguousRef, RefNotFound, RefSyntax, SpanNotFound, UsageError
from cas.literals.literal import Literal
from cas.refs import grammar
from cas.repository import history, resolving
from cas.repository.info import LineageNode, ObjectInfo, SomeSpan, SpanInfo, SpanLink, span_text
from cas.repository.live import LiveSpan, live_spans, opened_info
from cas.repository.version import ArtifactVersion

if TYPE_CHECKING:
    from cas.repository.repository import Repository

__all__ = [
    "consumers",
    "count_spans",
    "inputs",
    "lineage",
    "outputs",
    "producer",
    "readers",
    "span_info",
    "spans",
    "spans_where",
    "triggered_by",
    "version_of",
]

T = TypeVar("T")
LiveReaders = dict[bytes, list[SpanInfo]]
_ELSEWHERE = "(not here)"
"""Stands for the label of a span whose records are not here: a push without --lineage leaves them."""


def spans(repository: Repository, label: str | None, status: str | None, limit: int | None) -> list[SpanInfo]:
    """Spans that match, newest first: those in the log, and those that are open or closed inside an open one."""
    history.check_limit(limit)
    history.catch_up_all(repository)
    live = {span.id.hex(): span.info for span in live_spans(repository).values()}
    known = repository.catalog.spans().matching(label, status, None if limit is None else limit + len(live))
    found = [SpanInfo.of(row) for row in known if row.id.hex() not in live]
    found += [
        info
        for info in live.values()
        if status in (None, info.status) and (label is None or fnmatchcase(info.label, label))
    ]
    if live:
        found.sort(key=lambda info: (info.opened_at, info.id), reverse=True)
    return found[:limit]


def spans_where(  # noqa: PLR0917 - as the repository's own method has them
    repository: Repository,
    where: Any,
    label: str | None,
    status: str | None,
    limit: int | None,
    fields: Mapping[str, Any],
) -> list[Any]:
    """As :func:`spans`, of a kind of span with fields of its own or a filter. Raises UsageError."""
    if where is not None:
        return list(where.filtered(label=label, status=status, fields=fields).spans(repository, limit))
    if fields:
        raise UsageError(
            f"spans of every kind have no field {next(iter(fields))!r}",
            hint="say whose field it is: repo.spans(TrainingSpan, learning_rate=0.1)",
        )
    return list(spans(repository, label, status, limit))


def count_spans(repository: Repository) -> int:
    """How many spans :func:`spans` has, without making them."""
    history.catch_up_all(repository)
    known = repository.catalog.spans()
    return known.count() + sum(known.get(span.id) is None for span in live_spans(repository).values())


def span_info(repository: Repository, span: str | SomeSpan) -> SpanInfo:
    """One span by id, prefix or ``%prefix``, or as it is known otherwise."""
    prefix = span_text(span).removeprefix("%").lower()
    grammar.parse(f"%{prefix}")
    found: dict[str, SpanInfo] = {}
    for _ in range(2):  # one that was in flight elsewhere may enter the log between the questions
        history.catch_up_all(repository)
        exact = _exact(repository, bytes.fromhex(prefix)) if len(prefix) == 64 else None
        if exact is not None:
            return exact
        found = {row.id.hex(): SpanInfo.of(row) for row in repository.catalog.spans().by_prefix(prefix)}
        for live in live_spans(repository).values():
            if live.id.hex().startswith(prefix):
                # Entered again it is open, whatever its last closing record says.
                found[live.id.hex()] = live.info
        if found:
            break
    if not found:
        raise SpanNotFound(f"no span {span_text(span)!r}", hint="see them: cas span list")
    if len(found) > 1:
        raise AmbiguousRef(
            f"{span!r} begins {len(found)} span ids", candidates=tuple(found)[:20], hint="give more digits"
        )
    return next(iter(found.values()))


def _exact(repository: Repository, ident: bytes) -> SpanInfo | None:
    """A span that this process has open or the catalog knows: then no open pack need be read."""
    running = repository.session.open_spans.get(ident)
    if running is not None:
        return opened_info(ident, running.state.opened)
    row = repository.catalog.spans().get(ident)
    return None if row is None else SpanInfo.of(row)


def producer(repository: Repository, what: str | ArtifactVersion) -> SpanInfo | None:
    """The span that made an artifact."""
    version = _version(repository, what)
    return span_info(repository, version.span) if version.span else None


def consumers(repository: Repository, what: str | ArtifactVersion) -> list[SpanInfo]:
    """The spans that read an artifact, oldest first."""
    return readers(repository, [bytes.fromhex(_version(repository, what).id)])


def readers(repository: Repository, artifacts: Iterable[bytes]) -> list[SpanInfo]:
    """The spans that read one of these artifacts, oldest first; also those that are open, here or elsewhere."""
    history.catch_up_all(repository)
    return _readers(repository, artifacts, _live_readers(repository))


def _readers(repository: Repository, artifacts: Iterable[bytes], live: LiveReaders) -> list[SpanInfo]:
    found: dict[str, SpanInfo] = {}
    for artifact in artifacts:
        known = [SpanInfo.of(row) for row in repository.catalog.spans().consumers(artifact)]
        # Entered again a span is open, whatever its last closing record says.
        found |= {info.id: info for info in (*known, *live.get(artifact, ()))}
    return sorted(found.values(), key=lambda info: (info.opened_at, info.id))


def _live_readers(repository: Repository) -> LiveReaders:
    """The spans that the catalog does not know yet, by the artifacts that they read."""
    found: LiveReaders = {}
    for ident, live in live_spans(repository).items():
        running = repository.session.open_spans.get(ident)
        told = live.inputs if running is None else running.state.inputs
        for artifact in {one.artifact for one in told if one.artifact is not None}:
            found.setdefault(artifact, []).append(live.info)
    return found


def triggered_by(repository: Repository, span: str | SomeSpan) -> ArtifactVersion | None:
    """The version whose trigger launched a span, or one around it, as ``flows.triggers`` says in its metadata."""
    info = span_info(repository, span)
    while "artifact" not in info.metadata or info.metadata.get("kind") != "launch":
        if info.parent is None:
            return None
        info = span_info(repository, info.parent)
    return repository.version_of(bytes.fromhex(info.metadata["artifact"]), info.metadata["trigger"])


def inputs(repository: Repository, span: str | SomeSpan) -> list[SpanLink]:
    """What a span read."""
    info = span_info(repository, span)
    ident = bytes.fromhex(info.id)
    running = repository.session.open_spans.get(ident)
    links = [
        _link(repository, row.artifact, json.loads(row.literal) if row.literal else None, row.asked, row.name)
        for row in repository.catalog.spans().inputs(ident)
    ]
    told = running.state.inputs if running is not None else _told(repository, ident, lambda live: live.inputs)
    for one in told:
        literal = [*one.literal[:2], one.literal[2].hex(), one.literal[3]] if one.literal else None
        links.append(_link(repository, one.artifact, literal, one.ref, one.name))
    return links


def _told(repository: Repository, span: bytes, what: Callable[[LiveSpan], list[T]]) -> list[T]:
    """What the records in open packs tell of a span that the catalog does not know."""
    if repository.catalog.spans().known([span]):
        return []
    live = live_spans(repository).get(span)
    return what(live) if live is not None else []


def _link(
    repository: Repository, artifact: bytes | None, literal: list[object] | None, asked: str | None, name: str | None
) -> SpanLink:
    if artifact is None:
        assert literal is not None
        tag, codec, content, size = literal
        exact = Literal.from_array([tag, codec, bytes.fromhex(str(content)), size])
        return SpanLink(None, exact.id.hex(), exact.type, asked, name, None)
    version = version_of(repository, artifact, asked)
    return SpanLink(artifact.hex(), version.literal_id, version.type, asked, name, version.ref)


def outputs(repository: Repository, span: str | SomeSpan) -> list[ArtifactVersion]:
    """What a span made, in order."""
    info = span_info(repository, span)
    ident = bytes.fromhex(info.id)
    rows = [(row.artifact, row.asked) for row in repository.catalog.spans().outputs(ident)]
    running = repository.session.open_spans.get(ident)
    told = running.state.outputs if running is not None else _told(repository, ident, lambda live: live.outputs)
    rows += [(one.artifact, one.ref) for one in told]
    return [version_of(repository, artifact, asked) for artifact, asked in rows if artifact is not None]


def version_of(repository: Repository, artifact: bytes, asked: str | None = None) -> ArtifactVersion:
    """The version that holds an artifact: the one that ``asked`` names, else the newest that was not deleted, else the
    newest, else the bare artifact.
    """
    rows = repository.catalog.refs.versions_of(artifact)
    wanted = _as_ref(asked) if asked is not None and len(rows) > 1 else None
    if wanted is not None:
        for row in rows:
            version = resolving.from_row(repository, row)
            if (
                row.name == wanted.name
                and wanted.selector in (None, row.version)
                and version.partition is not None
                and version.partition.contains(wanted.partition)
            ):
                return version
    if not rows:
        return ArtifactVersion(repository, artifact, None)
    return resolving.from_row(repository, resolving.newest(repository, rows))


def _as_ref(asked: str) -> grammar.Revision | None:
    try:
        return grammar.parse(asked)
    except RefSyntax:  # a query of lists or ranges, which no ref can say
        return None


def lineage(repository: Repository, what: str | ArtifactVersion, *, down: bool, depth: int | None) -> LineageNode:
    """The tree of what an artifact came from, or of what came from it; what was shown once is not opened again."""
    version = _version(repository, what)
    history.catch_up_all(repository)
    seen: set[str] = set()
    live = _live_readers(repository) if down else {}
    # Post-order by hand: lineages may be deeper than Python's stack.
    stack: list[_Step] = [_Step("artifact", version.id, _title(version), 0)]
    done: list[LineageNode] = []
    while stack:
        step = stack[-1]
        if step.todo is None:
            step.again = step.id in seen and step.depth > 0
            seen.add(step.id)
            limit = depth is not None and step.depth >= 2 * depth
            step.todo = [] if step.again or limit else list(_next(repository, step, live, down=down))
        if step.todo:
            stack.append(step.todo.pop(0))
            continue
        stack.pop()
        node = LineageNode(step.kind, step.id, step.title, tuple(step.children), step.again)
        (stack[-1].children if stack else done).append(node)
    return done[0]


class _Step:
    """A node of the walk that is not finished yet."""

    def __init__(self, kind: str, ident: str, title: str, depth: int) -> None:
        self.kind, self.id, self.title, self.depth = kind, ident, title, depth
        self.todo: list[_Step] | None = None
        self.children: list[LineageNode] = []
        self.again = False


def _next(repository: Repository, step: _Step, live: LiveReaders, *, down: bool) -> Iterator[_Step]:
    if step.kind == "artifact":
        version = version_of(repository, bytes.fromhex(step.id))
        if down:
            found = _readers(repository, [bytes.fromhex(version.id)], live)
            near = [(one.id, one.label) for one in found]
        else:
            near = _maker(repository, version)
        for ident, label in near:
            yield _Step("span", ident, label, step.depth + 1)
    elif step.title == _ELSEWHERE:
        return
    elif down:
        for version in outputs(repository, step.id):
            yield _Step("artifact", version.id, _title(version), step.depth + 1)
    else:
        for link in inputs(repository, step.id):
            if link.artifact is not None:
                title = link.ref
                if title is None or title == link.artifact:
                    title = _title(version_of(repository, bytes.fromhex(link.artifact)))
                yield _Step("artifact", link.artifact, title, step.depth + 1)


def _maker(repository: Repository, version: ArtifactVersion) -> list[tuple[str, str]]:
    """The id and label of the span that made a version; of one whose records did not come here, only the id."""
    if not version.span:
        return []
    try:
        info = span_info(repository, version.span)
    except SpanNotFound:
        return [(version.span, _ELSEWHERE)]
    return [(info.id, info.label)]


def _title(version: ArtifactVersion) -> str:
    """Its ref; of what only a span labels, how to name it by that."""
    if version.name is not None:
        return version.ref
    if version.label is not None and version.span is not None:
        return f"%{version.span[:12]}//{version.label}"
    return f"not published ({version.id[:12]})"


def _version(repository: Repository, what: str | ArtifactVersion) -> ArtifactVersion:
    if isinstance(what, ArtifactVersion):
        return what
    found = repository.show(what)
    if isinstance(found, ObjectInfo) and "//" in what:
        found = resolving.resolve(repository, what)  # a file of a directory came about as the whole did
    if not isinstance(found, ArtifactVersion):
        hint = "see the artifacts: cas ls"
        if what.startswith("%"):
            hint = f"of a run, see what it read and made: cas span show {what}; or take one: {what}//LABEL"
        raise RefNotFound(f"{what!r} is no artifact", hint=hint)
    return found
