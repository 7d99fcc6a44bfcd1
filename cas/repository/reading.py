"""Values, bytes and members: what a ref or an id holds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from cas.errors import AmbiguousRef, CodecError, MigrationError, NotFound, ObjectNotFound, RefNotFound
from cas.literals import registry
from cas.objects.ids import BlobId, Kind, ObjectId
from cas.refs import grammar
from cas.refs.names import Name
from cas.repository import resolving, searching
from cas.repository.conversion import convert
from cas.repository.info import ObjectInfo, SpanInfo
from cas.repository.version import ArtifactVersion

if TYPE_CHECKING:
    from cas.repository.repository import Repository

__all__ = ["check_member", "get", "open_bytes", "show", "value"]


def get(repository: Repository, ref: object, *, allow_pickle: bool = False) -> Any:
    """The value that a ref, an id, a version or a query holds; of ``ref//path``, the member there."""
    if isinstance(ref, ArtifactVersion):
        return repository.value(ref, allow_pickle=allow_pickle)
    if not isinstance(ref, str):
        return value(repository, searching.get_artifact(repository, ref), allow_pickle=allow_pickle)
    path = None
    if "//" in ref:
        revision = grammar.parse(ref)
        # A span's path is its label, which resolving takes.
        path = revision.path if revision.span is None else None
    try:
        version = repository.resolve(ref) if path is None else repository.resolve_whole(ref)
        found = value(repository, version, allow_pickle=allow_pickle)
    except RefNotFound:
        blob = _blob_of(repository, ref)
        if blob is None:
            raise
        return repository.objects.read(blob, Kind.BLOB)
    return found if path is None else _member(found, path, ref)


def check_member(repository: Repository, version: ArtifactVersion, ref: str) -> Any:
    """What a version holds at the path of ``ref//path``; None where the ref has none. Raises RefNotFound."""
    revision = grammar.parse(ref)
    if revision.path is None or revision.span is not None:
        return None
    return _member(registry.decode(version.literal, repository.objects), revision.path, ref)


def value(
    repository: Repository, version: ArtifactVersion, as_type: object = None, *, allow_pickle: bool = False
) -> Any:
    """The value of a version. ``as_type``: a path to write a file or directory to, or a type to convert to."""
    if allow_pickle:
        repository._check_pickle(True)
    if version.remote is not None:
        _check_brought(repository, version)
    try:
        found = registry.decode(version.literal, repository.objects, allow_pickle=allow_pickle)
    except MigrationError as fault:
        raise MigrationError(f"{version.title}: {fault.message}", hint=fault.hint) from fault
    if as_type is None or (isinstance(as_type, type) and isinstance(found, as_type)):
        return found
    if isinstance(as_type, str | os.PathLike):
        return _export(found, Path(as_type), version)
    return convert(found, as_type, version.ref)


def _check_brought(repository: Repository, version: ArtifactVersion) -> None:
    """Raises ObjectNotFound for a remote's version of which a fetch brought the record alone."""
    objects = repository.objects
    if objects.fetch_missing is None and objects.missing((version.literal.content,)):
        raise ObjectNotFound(
            f"the content of {version.ref} was not fetched",
            hint=f"bring it: cas fetch {version.remote} --objects '{version.ref}'",
        )


def _export(found: Any, path: Path, version: ArtifactVersion) -> Path:
    if hasattr(found, "export"):
        found.export(path)
        return path
    raise CodecError(
        f"{version.ref} is a {version.type}, not a file or directory",
        hint=f"write it in a format: cas cat {version.ref} --format …",
    )


def _member(found: Any, path: str, ref: str) -> Any:
    """The member of a directory or composite value at ``a/b``."""
    if hasattr(found, "member"):
        return found.member(path)
    from cas.literals.files import Tree

    steps = path.split("/")
    for place, step in enumerate(steps):
        if isinstance(found, Tree):
            return _file(found, "/".join(steps[place:]), ref)
        try:
            if isinstance(found, list | tuple):
                found = found[int(step)]
            elif hasattr(found, "columns") or isinstance(found, dict):
                found = found[step]
            else:
                found = found[step] if hasattr(found, "__getitem__") else getattr(found, step)
        except (KeyError, IndexError, ValueError, AttributeError, TypeError) as error:
            raise RefNotFound(
                f"{ref!r}: no member {step!r}", hint=f"see what is there: cas cat {ref.partition('//')[0]}"
            ) from error
    return found


def _file(tree: Any, path: str, ref: str) -> Any:
    try:
        return tree[path]
    except NotFound as error:
        from cas.refs.suggest import near_misses

        whole = ref.partition("//")[0]
        parent = path.rpartition("/")[0]
        target = tree.link(path) if not parent or parent in tree else None
        if target is not None:
            raise RefNotFound(
                f"{path!r} in {whole} is a link to {target}, where nothing is",
                hint=f"see what is there: cas cat '{whole}'",
            ) from error
        near = near_misses(path, tree.walk())
        raise RefNotFound(
            f"{whole} holds no {path!r}",
            suggestions=tuple(f"{whole}//{one}" for one in near),
            hint=f"see what is there: cas cat '{whole}'",
        ) from error


def open_bytes(repository: Repository, ref: str | ArtifactVersion) -> BinaryIO:
    """A seekable file over the one blob that a ref's literal is. Raises CodecError where it is a tree."""
    if isinstance(ref, str) and "//" in ref and grammar.parse(ref).span is None:
        found = get(repository, ref)
        if hasattr(found, "open"):
            opened: BinaryIO = found.open()
            return opened
        raise CodecError(f"{ref!r} is a {type(found).__name__}, not bytes", hint="read its value: cas get")
    try:
        version = repository._noted(ref, None) if isinstance(ref, ArtifactVersion) else repository.resolve(ref)
    except RefNotFound:
        blob = _blob_of(repository, ref) if isinstance(ref, str) else None
        if blob is None:
            raise
        return repository.objects.open(blob)
    content = version.literal.content
    if repository.objects.kind(content) is not Kind.BLOB:
        raise CodecError(
            f"{version.ref} is a {version.type}: many objects, not one run of bytes",
            hint="read its value: cas get, or a member: ref//path",
        )
    return repository.objects.open(BlobId(content))


def _blob_of(repository: Repository, text: str) -> BlobId | None:
    """The blob that a bare id prefix names, where no ref does."""
    prefix = grammar.parse(text).id_prefix
    if prefix is None:
        return None
    found = [ident for kind, ident in repository.objects.find(prefix) if kind is Kind.BLOB]
    if len(found) > 1:
        raise AmbiguousRef(f"{prefix!r} begins {len(found)} blobs", candidates=tuple(one.hex() for one in found[:20]))
    return BlobId(found[0]) if found else None


def show(repository: Repository, text: str) -> ArtifactVersion | SpanInfo | ObjectInfo:
    """Whatever a ref, id prefix or ``%span`` names. Raises RefNotFound, AmbiguousRef."""
    revision = grammar.parse(text)
    if revision.span is not None and revision.path is None:
        return repository.span_info(text)
    prefix = revision.id_prefix
    if prefix is None or revision.path is not None:
        return _shown(repository, resolving.resolve_revision(repository, revision, text), text)
    name = Name(repository.project, repository.domain, text)
    repository.catalog.catch_up(repository.log_of(name.project, name.domain))
    if repository.catalog.refs.declared(name) is not None:
        return resolving.resolve_revision(repository, revision, text)
    return _by_prefix(repository, prefix)


def _shown(repository: Repository, version: ArtifactVersion, text: str) -> ArtifactVersion | ObjectInfo:
    """The version, or of ``ref//path`` the file or directory in it."""
    from cas.literals.files import File, Tree

    found = check_member(repository, version, text) if "//" in text else None
    if not isinstance(found, File | Tree):
        return version
    return ObjectInfo(found.id, "blob" if isinstance(found, File) else "tree", found.size)


def _by_prefix(repository: Repository, prefix: str) -> ArtifactVersion | SpanInfo | ObjectInfo:
    """The one thing, of any kind, whose id begins with the prefix."""
    found: dict[str, ArtifactVersion | SpanInfo | ObjectInfo] = {
        ident.hex(): resolving.from_row(repository, row)
        for ident, row in resolving.named_by(repository, prefix).items()
    }
    for span in repository.catalog.spans().by_prefix(prefix):
        found.setdefault(span.id.hex(), SpanInfo.of(span))
    for kind, ident in repository.objects.find(prefix):
        if ident.hex() in found:
            continue
        if kind is Kind.ARTIFACT:
            found[ident.hex()] = repository.version_of(ident)
        else:
            found[ident.hex()] = _object(repository, kind, ident)
    if not found:
        raise ObjectNotFound(f"no id begins with {prefix!r}", hint="see what is there: cas ls, cas span list")
    if len(found) > 1:
        raise AmbiguousRef(
            f"{prefix!r} begins {len(found)} ids", candidates=tuple(sorted(found))[:20], hint="give more digits"
        )
    return next(iter(found.values()))


def _object(repository: Repository, kind: Kind, ident: ObjectId) -> ArtifactVersion | SpanInfo | ObjectInfo:
    if kind is Kind.SPAN:
        try:
            return repository.span_info(ident.hex())
        except NotFound:  # a closing record, or the record of a span that the log does not name
            return ObjectInfo(ident.hex(), "span record", repository.objects.size(ident))
    return ObjectInfo(ident.hex(), kind.name.lower(), repository.objects.size(ident))
