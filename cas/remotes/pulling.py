"""Pulling: fetch, bring the objects, merge the entries. Nothing is visible here until all of a log's part verifies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from cas.catalog.appending import append
from cas.errors import RefNotFound
from cas.objects.ids import Kind
from cas.objects.trees import decode_tree, tree_size
from cas.refs.entries import Entry, SpanEntry, VersionEntry
from cas.refs.log import NOTHING, RefLog
from cas.refs.stamps import Stamps
from cas.remotes import merging
from cas.remotes.closure import Found, Walk, walk_content, walk_lineage
from cas.remotes.fetching import fetch
from cas.remotes.outside import copies_of
from cas.remotes.receiving import Receiver, receiving
from cas.remotes.reports import Conflict, Transfer
from cas.remotes.selection import EVERYTHING, Selection
from cas.remotes.sides import JOBS, Progress, Remote, Scope, none

__all__ = ["bring", "bring_artifacts", "entry", "pull"]

# A tree is brought whole when it is first used, if all that is below it takes no more bytes than this.
_SMALL_TREE = 64 << 20
_PARTED = frozenset({Kind.MAP, Kind.PART, Kind.TREE})


class _Plan(NamedTuple):
    """What one log takes in: the entries it lacks, the versions whose objects they need, from where and how far."""

    scope: Scope
    entries: list[Entry]
    versions: list[VersionEntry]
    before: merging.Done | None
    done: merging.Done

    @property
    def whole(self) -> bool:
        """Whether none of the versions was passed over, since a tombstone deletes it."""
        return len(self.versions) == sum(isinstance(entry, VersionEntry) for entry in self.entries)


def pull(
    remote: Remote,
    selection: Selection = EVERYTHING,
    *,
    bytes_too: bool = True,
    jobs: int = JOBS,
    progress: Progress = none,
    dry: bool = False,
) -> Transfer:
    """Take in what the remote has and this side lacks: objects first, each verified, then one segment for each log.

    Versions of which an object is nowhere are left out and reported. Without ``bytes_too`` only records are brought.
    Raises as fetch does, and CorruptObject and its kin for bytes that are not what they should be.
    """
    here = remote.here
    fetched = fetch(remote, jobs=jobs)
    plans = [plan for log in remote.copies() if (plan := _plan(remote, log, selection)) is not None]
    for plan in plans:
        merging.check_twins(here.catalog, plan.scope, plan.entries, "this repository")
    count = sum(len(plan.entries) for plan in plans)
    with receiving(remote, jobs=jobs, progress=progress, dry=dry) as receiver:
        walk, lineage = _walk(receiver, plans, bytes_too=bytes_too)
        left_out = walk.broken({bytes.fromhex(entry.artifact) for plan in plans for entry in plan.versions})
        missing = _lacking(plans, left_out)
        copies = copies_of(walk, lambda key: receiver.staging.load(key)[1], receiver.look) if not dry else Walk()
        if dry:
            return receiver.report(segments=fetched.segments, entries=count, missing=missing, dry=True)
        if left_out:
            roots = {bytes.fromhex(entry.artifact) for plan in plans for entry in plan.versions} - left_out
            wanted = set().union(lineage, copies.kinds, *map(walk.below, roots))
            receiver.staging.keep_only(wanted)
            receiver.staging.admit([blob for blob in (*walk.maps, *copies.maps) if blob in wanted])
        else:
            receiver.staging.admit([*walk.maps, *copies.maps])
    found: list[Conflict] = []
    for plan in plans:
        kept = merging.without(plan.entries, left_out)
        found += _merge(remote, plan.scope, kept)
    if not left_out:
        _note(remote, selection, plans)
    return receiver.report(segments=fetched.segments, entries=count, conflicts=tuple(found), missing=missing)


def bring(remote: Remote, keys: Iterable[bytes], *, jobs: int = JOBS, progress: Progress = none) -> set[bytes]:
    """Bring objects on first use; what is nowhere is returned, and nothing admitted then."""
    with receiving(remote, jobs=jobs, progress=progress) as receiver:
        walk = walk_content(keys, receiver.look, deep=_at_once)
        if not walk.missing:
            receiver.staging.admit(walk.maps)
        return walk.missing


def entry(remote: Remote, key: bytes) -> tuple[Kind, bytes] | None:
    """One entry as the remote stores it, verified by its own id; None where it is nowhere.

    What has no parts is kept here. Anything else waits in ``remote.lent`` for who wants all of it: a map is admitted
    only with its chunks, and a tree comes with its members.
    """
    found = remote.lent.get(key)
    if found is None:
        with receiving(remote) as receiver:
            found = receiver.entry(key)
            if found is not None and found[0].kind in _PARTED:
                remote.lend(*found)
            elif found is not None:
                receiver.staging.add([found[0]])
                receiver.staging.admit()
    return None if found is None else (found[0].kind, found[1])


def _at_once(found: Found) -> bool:
    """Whether what an object needs is brought with it when it is first used: chunks are, small trees are."""
    if found.kind is Kind.ARTIFACT:
        return False
    return found.kind is not Kind.TREE or tree_size(decode_tree(found.payload or b"")) <= _SMALL_TREE


def bring_artifacts(
    remote: Remote, versions: Sequence[bytes], *, jobs: int = JOBS, progress: Progress = none
) -> Transfer:
    """Bring all that artifacts (by id) need. Raises RefNotFound where something of them is nowhere."""
    with receiving(remote, jobs=jobs, progress=progress) as receiver:
        walk = walk_content(versions, receiver.look, kind=Kind.ARTIFACT)
        if walk.missing:
            raise RefNotFound(
                f"{remote.name} lacks {len(walk.missing)} objects, such as {min(walk.missing).hex()}",
                hint="ask whoever has them to push again",
            )
        walk_lineage(walk.spans, receiver.look)
        copies = copies_of(walk, lambda key: receiver.staging.load(key)[1], receiver.look)
        receiver.staging.admit([*walk.maps, *copies.maps])
        return receiver.report()


def _plan(remote: Remote, log: RefLog, selection: Selection) -> _Plan | None:
    """What the copy of a log says that the log here lacks."""
    scope = (log.project, log.domain)
    before = _reached(remote, "merged", selection, scope)
    entries, done = merging.entries_after(log, before, remote.fresh.get(scope, ()))
    if not entries:
        return None
    mine = RefLog(remote.here.store, *scope)
    reached = remote.here.catalog.catch_up(mine)[0]
    chosen = selection.choose(entries, scope, remote.here.home)
    fresh = (
        merging.lacked(remote.here.catalog, chosen) if reached else list({one.write: one for one in chosen}.values())
    )
    return _Plan(scope, fresh, merging.needed(remote.here.catalog, scope, fresh), before, done)


def _walk(receiver: Receiver, plans: Sequence[_Plan], *, bytes_too: bool) -> tuple[Walk, set[bytes]]:
    """All that the plans' versions need, and the records of their spans."""
    artifacts = dict.fromkeys(bytes.fromhex(entry.artifact) for plan in plans for entry in plan.versions)
    walk = walk_content(artifacts, receiver.look, kind=Kind.ARTIFACT, deep=lambda _: bytes_too)
    lineage = walk_lineage([*_closings(plans), *walk.spans], receiver.look)
    return walk, set(lineage.kinds)


def _closings(plans: Sequence[_Plan]) -> list[bytes]:
    spans = [entry for plan in plans for entry in plan.entries if isinstance(entry, SpanEntry)]
    named = [bytes.fromhex(text) for entry in spans for text in (entry.close, entry.open) if text is not None]
    made = [bytes.fromhex(entry.span) for plan in plans for entry in plan.versions if entry.span is not None]
    return [*named, *made]


def _lacking(plans: Sequence[_Plan], left_out: set[bytes]) -> tuple[str, ...]:
    return tuple(ref for plan in plans for ref in merging.refs_of(plan.versions, left_out))


def _merge(remote: Remote, scope: Scope, entries: Sequence[Entry]) -> list[Conflict]:
    """Append the entries to the log here, with their write ids and stamps; without those it got meanwhile.

    The stored conflicts at their refs.
    """
    here = remote.here
    log = RefLog(here.store, *scope)

    def plan(_: Stamps) -> list[Entry]:
        alone = not here.catalog.position(log)[0]
        return list(entries) if alone else merging.lacked(here.catalog, entries)

    segment = append(here.catalog, log, plan, author=lambda: here.author, now=here.now, checked=True)
    if segment is not None:
        before = (segment.number - 1, segment.previous)
        if (_reached(remote, "sent", EVERYTHING, scope) or (0, NOTHING)) == before:
            # What came from there need not be looked at by the next push.
            _reach(remote, "sent", EVERYTHING, {scope: (segment.number, segment.digest)})
        if segment.number == 1:  # the catalog takes it in when it is first asked
            return merging.conflicts_among(scope, entries, here.home)
    here.catalog.catch_up(log)
    return merging.conflicts(here.catalog, scope, entries, here.home)


def _note(remote: Remote, selection: Selection, plans: Sequence[_Plan]) -> None:
    """Note how far the merging has come, and with it that the records up to there are here: a fetch need not look."""
    told = {
        plan.scope: plan.done
        for plan in plans
        if plan.whole and _reached(remote, "told", selection, plan.scope) == plan.before
    }
    _reach(remote, "told", selection, told)
    _reach(remote, "merged", selection, {plan.scope: plan.done for plan in plans})


def _reached(remote: Remote, what: str, selection: Selection, scope: Scope) -> merging.Done | None:
    """How far a log was exchanged, as the state of the remote says."""
    found = remote.state().get(what, {}).get(selection.text, {}).get("/".join(scope))
    return (found[0], found[1]) if found else None


def _reach(remote: Remote, what: str, selection: Selection, reached: Mapping[Scope, merging.Done]) -> None:
    """Note how far logs were exchanged, where that is news."""
    fresh = {"/".join(scope): list(done) for scope, done in reached.items()}
    known = remote.state().get(what, {}).get(selection.text, {})
    if any(known.get(scope) != done for scope, done in fresh.items()):
        remote.change_state(lambda state: state.setdefault(what, {}).setdefault(selection.text, {}).update(fresh))
