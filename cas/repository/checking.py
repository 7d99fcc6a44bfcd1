"""fsck and status: reading everything once, and the repository at a glance."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cas.errors import CasError, CorruptObject
from cas.objects.ids import BlobId, Kind, ObjectId
from cas.objects.trees import Link, decode_tree
from cas.refs import checkpoints
from cas.refs.log import NOTHING, RefLog, list_logs
from cas.repository import history, lineage, resolving
from cas.repository.info import Status
from cas.repository.version import decode_record

if TYPE_CHECKING:
    from cas.objects.check import Damage
    from cas.repository.repository import Repository
    from cas.storage.contract import FileInfo

__all__ = ["Problem", "Report", "fsck", "status"]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: a stable kind, what it is, where it lies, and the refs that need it."""

    kind: str
    what: str
    where: str
    reason: str
    needed_by: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "needed_by": list(self.needed_by)}


@dataclass(frozen=True)
class Report:
    """What fsck read, and what it found wrong."""

    objects: int
    bytes: int
    segments: int
    problems: tuple[Problem, ...]
    aside: tuple[str, ...] = ()
    """The packs that a repair put aside, as they are called now."""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        told = {**asdict(self), "ok": self.ok, "problems": [problem.to_dict() for problem in self.problems]}
        return told | {"aside": list(self.aside)}


def fsck(repository: Repository, progress: Callable[[int, int], None], *, repair: bool = False) -> Report:
    """Verify every pack, sealed or open, every object, every log segment, and that every ref's objects are there.

    ``repair`` then puts packs with damage aside.
    """
    if repair:
        repository.refuse()
    objects = repository.objects
    objects.refresh()
    unsealed, torn = objects.check_open()  # first: what is sealed meanwhile is then read as a pack
    damage = [*torn, *objects.check(progress)]
    segments, problems = _check_logs(repository)
    if not problems:
        bad = {one.id for one in damage if one.id is not None}
        needs, missing = _needs(repository, bad)
        problems += [_problem(one, needs) for one in damage]
        # What cannot be read, and lies in no entry that is there: a damaged pack has lost it.
        missing |= {ident: refs for ident, refs in needs.items() if ident not in bad}
        problems += [
            Problem("missing_object", ident.hex(), "objects", "no pack holds it", tuple(sorted(refs)))
            for ident, refs in missing.items()
            if ident not in bad
        ]
    else:
        problems += [_problem(one, {}) for one in damage]
    count = unsealed + sum(len(pack) for pack in objects.packs)
    size = sum(info.size for info in _packs(repository))
    aside = objects.put_aside(damage) if repair and damage else []
    return Report(count, size, segments, tuple(problems), tuple(aside))


def _problem(one: Damage, needs: dict[bytes, set[str]]) -> Problem:
    what = one.id.hex() if one.id is not None else one.pack
    where = one.pack if one.offset is None else f"{one.pack} at {one.offset}"
    return Problem("corrupt_object", what, where, one.reason, tuple(sorted(needs.get(one.id or b"", ()))))


def _check_logs(repository: Repository) -> tuple[int, list[Problem]]:
    """(segments read, what is wrong with them): every one parses, and names the one before."""
    count = 0
    problems = []
    for project, domain in list_logs(repository.store):
        log = repository.log_of(project, domain)
        number, known = before = _begins(repository, log)
        try:
            for segment in log.after(number, known):
                number = segment.number
                count += 1
        except CasError as error:
            problems.append(Problem(error.kind, f"{project}/{domain}", log.path(number + 1), error.message))
            continue
        names = (info.name for info in repository.store.list(log.directory))
        listed = sum(1 for name in names if name.endswith(".toml") and name > log.path(before[0]))
        if listed != number - before[0]:
            problems.append(
                Problem(
                    "ref_rollback",
                    f"{project}/{domain}",
                    log.path(number + 1),
                    f"{listed} segments, but a gap after {number}",
                )
            )
    return count, problems


def _begins(repository: Repository, log: RefLog) -> tuple[int, str]:
    """The segment before the first that must be here, and its digest."""
    folded = checkpoints.read(repository.store, log) if log.folded and not log.has(1) else None
    return (folded.number, folded.digest) if folded is not None else (0, NOTHING)


def _needs(repository: Repository, bad: set[bytes]) -> tuple[dict[bytes, set[str]], dict[bytes, set[str]]]:
    """(refs that need each bad object, refs that need each missing one)."""
    history.catch_up_all(repository)
    needs: dict[bytes, set[str]] = {}
    missing: dict[bytes, set[str]] = {}
    walked: dict[bytes, tuple[set[bytes], set[bytes]]] = {}
    for row in repository.catalog.refs.newest(None):
        if row.artifact not in walked:
            walked[row.artifact] = _walk(repository, row.artifact, bad)
        found, absent = walked[row.artifact]
        if repository.objects.fetch_missing is not None:
            absent = set()  # a partial clone: objects come when they are first used
        if (found or absent) and resolving.is_live(repository, row):
            ref = resolving.from_row(repository, row).ref
            for ident in found:
                needs.setdefault(ident, set()).add(ref)
            for ident in absent:
                missing.setdefault(ident, set()).add(ref)
    return needs, missing


def _walk(repository: Repository, artifact: bytes, bad: set[bytes]) -> tuple[set[bytes], set[bytes]]:
    """(bad, missing) among all that an artifact needs."""
    found, absent, seen = set[bytes](), set[bytes](), set[bytes]()
    stack = [artifact]
    objects = repository.objects
    while stack:
        ident = stack.pop()
        if ident in seen:
            continue
        seen.add(ident)
        if ident in bad:
            found.add(ident)
        try:
            if objects.fetch_missing is not None and objects.missing((ident,)):
                continue
            kind = objects.kind(ident)
            if kind is Kind.ARTIFACT:
                record = decode_record(objects.read(ident, Kind.ARTIFACT))
                stack += [record.literal.content, *(card[1] for card in record.cards.values())]
            elif kind is Kind.TREE:
                members: Iterable[Any] = decode_tree(objects.read(ident, Kind.TREE)).values()
                stack += [member.id for member in members if not isinstance(member, Link)]
            elif kind is Kind.BLOB:
                chunks = objects.chunk_map(BlobId(ObjectId(ident)))
                if chunks is not None:
                    stack += [chunk.id for chunk in chunks.chunks()]
        except CorruptObject:
            found.add(ident)
        except LookupError:
            absent.add(ident)
    return found, absent


def status(repository: Repository) -> Status:
    """Counts and sizes."""
    history.catch_up_all(repository)
    counted = [one for one in repository.catalog.refs.counted() if one.partitions or one.declared.keys is not None]
    count, still_open = lineage.count_spans(repository), tuple(repository.spans(status="open"))
    packs = _packs(repository)
    segments = [info for info in repository.store.list("refs/") if info.name.endswith(".toml")]
    return Status(
        resolving.where(repository),
        repository.project,
        repository.domain,
        len(counted),
        sum(one.partitions for one in counted),
        sum(one.versions for one in counted),
        count,
        still_open,
        len(packs),
        sum(info.size for info in packs),
        len(segments),
        sum(info.size for info in segments),
    )


def _packs(repository: Repository) -> list[FileInfo]:
    return [info for info in repository.store.list("objects/") if info.name.endswith((".pack", ".open"))]
