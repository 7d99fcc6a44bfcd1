"""From a ref text to one version: the newest that matches, then the selector, then each mod in turn.

What an open span holds back is seen by the code inside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from cas.errors import AmbiguousRef, RefConflict, RefNotFound, RefSyntax
from cas.refs import grammar
from cas.refs.entries import AliasEntry, VersionEntry
from cas.refs.grammar import At, Back, Input, Revision, Was
from cas.refs.history import History
from cas.refs.names import Name, looks_like_id
from cas.refs.partitions import Partition
from cas.repository.version import ArtifactVersion, Place

if TYPE_CHECKING:
    from cas.catalog.refs import Row
    from cas.repository.repository import Repository

__all__ = ["from_entry", "from_row", "resolve", "resolve_revision", "where"]


def resolve(repository: Repository, text: str, *, strict: bool = False) -> ArtifactVersion:
    """The version that a ref names. Raises RefSyntax, RefNotFound, AmbiguousRef, RefConflict."""
    if not isinstance(text, str):
        raise RefSyntax(f"a ref is text, not {type(text).__name__}", hint="repo.get_artifact(…) takes queries, too")
    return resolve_revision(repository, grammar.parse(text), text, strict=strict)


def resolve_revision(repository: Repository, revision: Revision, text: str, *, strict: bool = False) -> ArtifactVersion:
    """As :func:`resolve`, for a parsed ref; ``text`` is for messages."""
    if revision.span is not None:
        return _of_span(repository, revision, text)
    assert revision.name is not None
    if revision.remote is not None:
        from cas.repository.exchange import view_of

        repository = view_of(repository, revision.remote)
    name = Name(revision.project or repository.project, revision.domain or repository.domain, revision.name)
    log = repository.log_of(name.project, name.domain)
    with repository.catalog.database.lock:
        repository.catalog.catch_up(log)
        if not revision.mods:
            return _select(repository, name, revision, text, strict=strict)
        return _walk(repository, name, revision, text, strict=strict)


def _of_span(repository: Repository, revision: Revision, text: str) -> ArtifactVersion:
    info = repository.span_info(f"%{revision.span}")
    outputs = repository.outputs(info.id)
    if revision.path is None:
        raise RefSyntax(
            f"{text!r} names a span",
            text=text,
            hint=f"show it: cas span show {text}; or name an artifact: {text}//LABEL",
        )
    for one in outputs:
        if one.label == revision.path:
            return one
    labels = tuple(one.label for one in outputs if one.label)
    raise RefNotFound(
        f"span {info.label!r} has no artifact labelled {revision.path!r}; it has: {', '.join(labels) or 'none'}",
        suggestions=_near(revision.path, labels),
        hint=f"see what it made: cas span show %{info.id[:12]}",
    )


def _select(repository: Repository, name: Name, revision: Revision, text: str, *, strict: bool) -> ArtifactVersion:
    held = _held(repository, name, revision, strict=strict)
    if held is not None:
        return held
    refs = repository.catalog.refs
    if revision.selector is not None:
        return _selected(repository, name, revision.partition, revision.selector, text, strict=strict)
    row = refs.tip(name, revision.partition) if strict else refs.latest(name, revision.partition)
    if row is not None:
        return from_row(repository, row)
    if revision.id_prefix is not None and refs.declared(name) is None:
        return by_id(repository, revision.id_prefix)
    raise not_found(repository, name, revision.partition, text, strict=strict)


def _held(repository: Repository, name: Name, revision: Revision, *, strict: bool) -> ArtifactVersion | None:
    """The newest match among what open spans around the caller hold back."""
    for span in repository.spans_around():
        # A selector may name an earlier put than the last of its partition.
        for wish in span.held(name) if revision.selector is None else reversed(span.wishes()):
            at, partition, version = wish.target
            if at != name or not (
                partition == revision.partition if strict else partition.contains(revision.partition)
            ):
                continue
            shown = version or wish.literal.hex()[:12]
            wanted = revision.selector
            if wanted is None or wanted == shown or (looks_like_id(wanted) and wish.literal.hex().startswith(wanted)):
                place = Place(*name, partition, shown, repository.now())
                return ArtifactVersion(repository, wish.artifact, place, literal=wish.literal, span=wish.span)
    return None


def _selected(
    repository: Repository, name: Name, partition: Partition, selector: str, text: str, *, strict: bool
) -> ArtifactVersion:
    """The version that a selector names: a version, else an alias, else an id prefix; in one exact partition."""
    refs = repository.catalog.refs
    found: dict[int, VersionEntry] = {}
    for number in refs.with_version(name, partition, selector):
        _add(found, number, History(refs.entries(number, version=selector)).version(selector))
    if not found:
        for number in refs.with_alias(name, partition, selector):
            entry = History(refs.entries(number, alias=selector)).alias(selector)
            if entry is not None:
                _add(found, number, History(refs.entries(number, version=entry.version)).version(entry.version))
    if not found and looks_like_id(selector):
        for row in refs.by_id(name, partition, selector.lower()):
            _add(found, row.ref, History(refs.entries(row.ref, version=row.version)).version(row.version))
    if strict:
        found = {number: entry for number, entry in found.items() if entry.partition == partition}
    if len(found) > 1:
        shown = _shown(repository, name)
        matches = tuple(
            f"{shown}@{one.partition.text}#{selector}" if one.partition.text else f"{shown}#{selector}"
            for one in found.values()
        )
        raise AmbiguousRef(
            f"{text!r} matches in {len(matches)} partitions",
            candidates=matches[:20],
            hint="give the whole partition; the one without keys is had with strict (cas resolve --strict)",
        )
    if found:
        return from_entry(repository, name, next(iter(found.values())))
    raise not_found(repository, name, partition, text, strict=strict, selector=selector)


def _aliased(history: History, alias: str) -> VersionEntry | None:
    entry = history.alias(alias)
    return history.version(entry.version) if entry is not None else None


def _add(found: dict[int, VersionEntry], number: int, entry: VersionEntry | None) -> None:
    if entry is not None:
        found[number] = entry


def _walk(repository: Repository, name: Name, revision: Revision, text: str, *, strict: bool) -> ArtifactVersion:
    """Apply mods from the left. Times go back in the history of the partition that the ref resolves to."""
    refs = repository.catalog.refs
    mods = list(revision.mods)
    start = revision._replace(mods=(), path=None)
    leading = mods[0]
    if isinstance(leading, At | Was):
        mods.pop(0)
        version = _then(repository, name, start, leading, text, strict=strict)
    else:
        version = _select(repository, name, start, text, strict=strict)
    for mod in mods:
        if isinstance(mod, Input):
            version = _input(repository, version, mod.number, text)
            continue
        if version.partition is None or version.name is None:
            raise RefNotFound(
                f"{text!r}: {version.ref} is under no name, so it has no history", hint="begin with a name: cas ls"
            )
        at = Name(version.project or "", version.domain or "", version.name)
        number = refs.ref_number(at, version.partition)
        if isinstance(mod, Back) and number is not None and version.stamp is not None:
            row = refs.back(number, version.stamp, mod.steps)
            if row is not None:
                version = from_row(repository, row)
                continue
        entries = refs.entries(number) if number is not None else []
        stepped = _step(History(entries), version, mod, text)
        version = from_entry(repository, at, stepped)
    return version


def _then(
    repository: Repository, name: Name, start: Revision, mod: At | Was, text: str, *, strict: bool
) -> ArtifactVersion:
    """Where a ref, or the alias in it, pointed then: the newest among the partitions that match."""
    refs = repository.catalog.refs
    best: VersionEntry | None = None
    for number, partition in refs.partitions(name):
        if partition == start.partition if strict else partition.contains(start.partition):
            entry = _entry_then(History(refs.entries(number)), start.selector, mod)
            if entry is not None and (best is None or entry.stamp > best.stamp):
                best = entry
    if best is None:
        raise RefNotFound(
            f"{text!r} pointed at nothing then", hint=f"see its history: cas log {_shown(repository, name)}"
        )
    return from_entry(repository, name, best)


def _entry_then(history: History, selector: str | None, mod: At | Was) -> VersionEntry | None:
    if isinstance(mod, At):
        then = history.at(mod.time)
        if selector is None:
            return then.tip
        return then.version(selector) or _aliased(then, selector)
    if selector is None:
        return history.was(mod.moves)
    moves = [entry for entry in history.entries if isinstance(entry, AliasEntry) and entry.alias == selector]
    if not moves and not mod.moves:
        return history.version(selector)  # a version never moved
    return history.version(moves[-1 - mod.moves].version) if mod.moves < len(moves) else None


def _step(history: History, version: ArtifactVersion, mod: Back | At | Was, text: str) -> VersionEntry:
    if isinstance(mod, Back):
        start = next((entry for entry in history.live if entry.stamp == version.stamp), None)
        # What an open span holds back is not in the log yet: the tip is one step before it.
        found = history.back(mod.steps, start) if start is not None else history.back(mod.steps - 1)
        if found is None:
            raise RefNotFound(
                f"{text!r}: {version.ref} has {_counted(len(history.versions), 'version')}, none {mod.steps} before",
                hint=f"see them: cas log {version.ref.partition('#')[0]}",
            )
        return found
    found = history.at(mod.time).tip if isinstance(mod, At) else history.was(mod.moves)
    if found is None:
        raise RefNotFound(
            f"{text!r} pointed at nothing then", hint=f"see its history: cas log {version.ref.partition('#')[0]}"
        )
    return found


def _input(repository: Repository, version: ArtifactVersion, number: int, text: str) -> ArtifactVersion:
    producer = repository.producer(version)
    if producer is None:
        raise RefNotFound(
            f"{text!r}: no span made {version.ref}, so it has no inputs",
            hint="what is put inside a span (repo.span) has its inputs recorded",
        )
    links = [link for link in repository.inputs(producer.id) if link.artifact is not None]
    if not 1 <= number <= len(links):
        raise RefNotFound(
            f"{text!r}: span {producer.label!r} has {_counted(len(links), 'input')}, there is no ^{number}",
            hint=f"see them: cas span show %{producer.id[:12]}",
        )
    artifact = links[number - 1].artifact
    assert artifact is not None
    return repository.version_of(bytes.fromhex(artifact), links[number - 1].asked)


def by_id(repository: Repository, prefix: str) -> ArtifactVersion:
    """The version whose artifact or literal id begins with hex digits: the newest that holds it and is not deleted.

    Raises RefNotFound, and AmbiguousRef where several different ones do.
    """
    named = named_by(repository, prefix)
    labelled = [one for one in repository.catalog.spans().labelled(prefix) if one not in named]
    ids = sorted([*(key.hex() for key in named), *(one.hex() for one in labelled)])
    if len(ids) > 1:
        raise AmbiguousRef(f"{prefix!r} begins {len(ids)} ids", candidates=tuple(ids[:20]), hint="give more digits")
    if named:
        return from_row(repository, next(iter(named.values())))
    if labelled:
        return repository.version_of(labelled[0], None)
    names = [one.name for one in repository.catalog.refs.names(repository.project, repository.domain)]
    raise RefNotFound(
        f"no name, artifact or literal {prefix!r}", suggestions=_near(prefix, names), hint="see the names: cas ls"
    )


def named_by(repository: Repository, prefix: str) -> dict[bytes, Row]:
    """Of each artifact or literal whose id begins with hex digits the newest version entry that is not deleted, if
    any; newest first.
    """
    rows: dict[bytes, list[Row]] = {}
    for row in repository.catalog.refs.artifacts(prefix):
        rows.setdefault(row.artifact if row.artifact.hex().startswith(prefix) else row.literal, []).append(row)
    return {ident: newest(repository, held) for ident, held in rows.items()}


def newest(repository: Repository, rows: Sequence[Row]) -> Row:
    """The first of some version entries, newest first, that no deletion took away; else the first."""
    return rows[0] if len(rows) == 1 else next((row for row in rows if is_live(repository, row)), rows[0])


def is_live(repository: Repository, row: Row) -> bool:
    """Whether no deletion took a version entry away."""
    return any(
        entry.write == row.write
        for entry in History(repository.catalog.refs.entries(row.ref, version=row.version)).live
    )


def from_row(repository: Repository, row: Row) -> ArtifactVersion:
    """The version of a catalog row."""
    place = Place(row.project, row.domain, row.name, Partition.parse(row.partition), row.version, row.stamp)
    return ArtifactVersion(repository, row.artifact, place, literal=row.literal, span=row.span)


def from_entry(repository: Repository, name: Name, entry: VersionEntry) -> ArtifactVersion:
    """The version of a log entry."""
    place = Place(name.project, name.domain, entry.name, entry.partition, entry.version, entry.stamp)
    span = bytes.fromhex(entry.span) if entry.span else None
    return ArtifactVersion(
        repository, bytes.fromhex(entry.artifact), place, literal=bytes.fromhex(entry.literal), span=span
    )


def not_found(
    repository: Repository, name: Name, partition: Partition, text: str, *, strict: bool, selector: str | None = None
) -> RefNotFound | RefConflict:
    """The error that says which part of a ref matches nothing, with what is there instead."""
    refs = repository.catalog.refs
    declared = refs.declared(name)
    shown = _shown(repository, name)
    if declared is None:
        return _no_name(repository, name)
    if not refs.is_there(name):
        return RefNotFound(
            f"{shown!r} has no version: all were deleted, or it was only declared",
            hint=f"put one: cas put FILE {shown}; what was deleted is still found by its id: cas log",
        )
    known = (*(declared.keys or ()), *(("time",) if declared.granularity else ()))
    given = (*(key for key, _ in partition.keys), *(("time",) if partition.time else ()))
    for key in given:
        if key not in known:
            return RefNotFound(
                f"{shown} has no partition key {key!r}; it has: {', '.join(known) or 'none'}",
                suggestions=_near(key, known),
                hint=f"see its partitions: cas ls {shown}",
            )
    pairs = dict(partition.keys) | ({"time": partition.time} if partition.time else {})
    for key, value in pairs.items():
        there = refs.values(name, key)
        if value not in there:
            return RefNotFound(
                f"{shown} has no partition with {key}={value}",
                suggestions=tuple(f"{key}={one}" for one in _near(value, there)),
                hint=f"see them: cas ls {shown}",
            )
    if selector is not None:
        known_versions = _versions_there(repository, name, partition)
        return RefNotFound(
            f"{text!r}: no version, alias or id {selector!r} there",
            suggestions=_near(selector, known_versions),
            hint=f"see them: cas log {shown}",
        )
    exact = " exactly" if strict else ""
    return RefNotFound(f"nothing matches {text!r}{exact}", hint=f"see the partitions: cas ls {shown}")


def _no_name(repository: Repository, name: Name) -> RefNotFound:
    names = [one.name for one in repository.catalog.refs.names(name.project, name.domain)]
    home = (name.project, name.domain) == (repository.project, repository.domain)
    shown, near = name.name if home else "/".join(name), _near(name.name, names)
    if repository.remote_name is not None:
        hint = (
            f"see the names: cas ls '{repository.remote_name}:*'; what is new there: cas fetch {repository.remote_name}"
        )
        return RefNotFound(
            f"no artifact {shown!r} at {repository.remote_name}, as it was last fetched", suggestions=near, hint=hint
        )
    hint = "see the names: cas ls" if home else f"see the names: cas ls '{name.project}/{name.domain}/*'"
    return RefNotFound(f"no artifact {shown!r} in {where(repository)}", suggestions=near, hint=hint)


def where(repository: Repository) -> str:
    """The directory of a repository, or the URL that it was opened at: what lies here of that is a cache."""
    return str(getattr(repository, "url", repository.root))


def _shown(repository: Repository, name: Name) -> str:
    """A name as it can be typed: with project and domain where they are not the default ones, and its remote."""
    home = (name.project, name.domain) == (repository.project, repository.domain)
    remote = f"{repository.remote_name}:" if repository.remote_name is not None else ""
    return remote + (name.name if home else "/".join(name))


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _near(text: str, candidates: Iterable[str]) -> tuple[str, ...]:
    from cas.refs.suggest import near_misses

    return near_misses(text, candidates)


def _versions_there(repository: Repository, name: Name, partition: Partition) -> Sequence[str]:
    refs = repository.catalog.refs
    found: dict[str, None] = {}
    for number, one in refs.partitions(name)[:200]:
        if one.contains(partition):
            history = History(refs.entries(number))
            found.update(dict.fromkeys(entry.version for entry in history.versions))
            found.update(dict.fromkeys(history.aliases))
    return list(found)
