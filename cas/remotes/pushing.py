"""Pushing: objects first, durable there before any entry names them, then one segment for each log by put-if-absent."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from cas.catalog.appending import folds_at
from cas.errors import CasError
from cas.objects.ids import Kind
from cas.refs import checkpoints
from cas.refs.entries import DeclareEntry, Entry, SpanEntry, in_order, order
from cas.refs.log import RefLog
from cas.refs.segments import Segment, digest, render
from cas.remotes import bundles, merging, outside
from cas.remotes.closure import inputs_of, walk_content, walk_lineage
from cas.remotes.fetching import fetch, position, read_on
from cas.remotes.reports import Conflict, Transfer
from cas.remotes.retry import wait_turn
from cas.remotes.selection import EVERYTHING, Selection
from cas.remotes.sending import Sender
from cas.remotes.sides import JOBS, Progress, Remote, Scope, none

__all__ = ["bundle", "publish", "push", "send_objects"]

_ENTRIES = 200_000  # in one segment


class _Plan(NamedTuple):
    """What one log sends: the entries that the remote lacks, and how far that reaches."""

    scope: Scope
    entries: list[Entry]
    done: merging.Done


def push(
    remote: Remote,
    selection: Selection = EVERYTHING,
    *,
    lineage: bool = False,
    jobs: int = JOBS,
    progress: Progress = none,
    dry: bool = False,
    copies: outside.Read | None = None,
) -> Transfer:
    """Send the entries that the remote lacks and all that they need; with ``lineage`` also what their spans read.

    What storages outside keep of that is only counted; with ``copies``, which reads them, copies of all that the
    selection's versions, new there or not, keep so are sent along.

    Versions of which an object is neither here nor there are left out and reported. Raises as fetch does,
    RefNameCollision for twins of names there, CorruptObject where an object here is damaged; nothing is published then.
    """
    here = remote.here
    if not dry:
        _ = remote.writable  # one that can only be read says so before any work is done
    # What was sent before without its lineage is where that begins, too.
    news = [_news(remote, log, selection, whole=lineage) for log in here.logs()]
    concerned = [plan.scope for plan in news if plan.entries]
    fetched = fetch(remote, jobs=jobs, only=() if lineage else concerned)
    sender = Sender(remote, jobs=jobs, progress=progress)
    if not concerned and not lineage and copies is None:
        return sender.report(segments=fetched.segments)
    for copy in remote.copies():
        remote.catalog.catch_up(copy)
    if lineage:
        plans = _with_inputs(remote, news, sender)
    else:
        plans = [plan._replace(entries=merging.lacked(remote.catalog, plan.entries)) for plan in news]
    plans = [plan for plan in plans if plan.entries]
    if not plans and copies is None:
        return sender.report(segments=fetched.segments)
    for plan in plans:
        merging.check_twins(remote.catalog, plan.scope, plan.entries, remote.name)
    if not dry and not remote.copies():
        remote.prepare()
    left_out, records = _send(remote, sender, plans, dry=dry)
    if copies is not None:
        records = _stored(remote, sender, selection) | records
    kept = outside.kept(records, lambda key: here.objects.read(key, Kind.BLOB))
    copied = outside.copy(kept, copies, sender, here.root / "tmp") if copies is not None and not dry else set()
    said = outside.report(kept, copied)
    sent = [plan._replace(entries=merging.without(plan.entries, left_out)) for plan in plans]
    missing = tuple(ref for plan in plans for ref in merging.refs_of(plan.entries, left_out))
    count = sum(len(plan.entries) for plan in sent)
    if dry:
        return sender.report(segments=fetched.segments, entries=count, missing=missing, dry=True, outside=said)
    conflicts: list[Conflict] = []
    for plan in sent:
        if publish(remote, plan.scope, plan.entries):
            conflicts += merging.conflicts_among(plan.scope, plan.entries, here.home)
        else:
            position(remote, plan.scope)
            conflicts += merging.conflicts(remote.catalog, plan.scope, plan.entries, here.home)
    if not left_out:
        _note(remote, selection, plans)
    moved = sender.report(segments=fetched.segments, entries=count, outside=said)
    return replace(moved, conflicts=tuple(conflicts), missing=missing)


def send_objects(remote: Remote, scope: Scope, entries: Sequence[Entry], *, jobs: int = JOBS) -> set[bytes]:
    """Send what entries need and the remote lacks; the artifacts of which something is nowhere."""
    return _send(remote, Sender(remote, jobs=jobs), [_Plan(scope, list(entries), (0, ""))], dry=False)[0]


def publish(remote: Remote, scope: Scope, entries: Sequence[Entry]) -> bool:
    """Append to a log of the remote the entries that it lacks, as they are; again for as long as others are faster.

    True where they are now all that the log holds.
    """
    numbers = [_publish(remote, scope, entries[start : start + _ENTRIES]) for start in range(0, len(entries), _ENTRIES)]
    return numbers == list(range(1, len(numbers) + 1))


def _publish(remote: Remote, scope: Scope, entries: Sequence[Entry]) -> int:
    """The number of the segment that holds them; 0 where they were there already."""
    log = remote.log_there(*scope)
    lost, first = 0, position(remote, scope)[0] - len(remote.fresh.get(scope, ()))
    while True:
        began = time.monotonic()
        number, previous, _ = position(remote, scope)
        todo = tuple(in_order(merging.lacked(remote.catalog, entries)))
        if not todo:
            return 0
        number, made, author = number + 1, remote.here.now(), remote.here.author
        # What comes from a log was checked when it was read.
        content = render(number, made, author, previous, todo, checked=True)
        theirs = remote.claim(log.path(number), content)
        if theirs is None:
            _keep(remote, scope, Segment(number, made, author, previous, todo, digest(content)), content)
            return number
        lost += 1
        wait_turn(lost, time.monotonic() - began, number - first)
        read_on(remote, scope, (number, theirs))


def _keep(remote: Remote, scope: Scope, segment: Segment, content: bytes) -> None:
    """Keep a copy of a segment just written; make the bundle and the checkpoint that are due with it."""
    copy = remote.copy_of(*scope)
    copy.store.create(copy.path(segment.number), content)
    remote.catalog.wrote(copy, segment)
    bundle(remote, scope, segment.number)
    if folds_at(segment.number) and checkpoints.write(copy.store, copy, segment.number):
        name = f"{segment.number:020d}.arrow"
        remote.writable.create(f"refs/{scope[0]}/{scope[1]}/{name}", copy.store.read(copy.directory + name))


def bundle(remote: Remote, scope: Scope, number: int) -> None:
    """Make the bundle that is due with a segment just written there, if one is."""
    if hasattr(remote.store, "workspace"):
        return  # a directory's files are as quickly read one by one
    content = bundles.render(remote.copy_of(*scope), number)
    if content is not None:
        with suppress(CasError):  # the segment is published; without its bundle it is read by itself
            remote.writable.create(bundles.name(scope, number), content)


def _news(remote: Remote, log: RefLog, selection: Selection, *, whole: bool) -> _Plan:
    """What a log here got since it was last sent, or all that it holds."""
    scope = (log.project, log.domain)
    before = remote.state().get("sent", {}).get(selection.text, {}).get("/".join(scope))
    entries, done = merging.entries_after(log, tuple(before) if before and not whole else None)
    if entries:
        remote.here.catalog.catch_up(log)
    return _Plan(scope, selection.choose(entries, scope, remote.here.home), done)


def _stored(remote: Remote, sender: Sender, selection: Selection) -> dict[bytes, None]:
    """The records of what storages outside keep of all versions that are selected, sent or not."""
    here = remote.here
    roots: dict[bytes, None] = {}
    for log in here.logs():
        scope = (log.project, log.domain)
        chosen = selection.choose(merging.entries_after(log, None)[0], scope, here.home)
        versions = merging.needed(here.catalog, scope, chosen)
        roots.update((bytes.fromhex(entry.artifact), None) for entry in versions)
    return walk_content(roots, sender.look, kind=Kind.ARTIFACT).stored


def _send(remote: Remote, sender: Sender, plans: Sequence[_Plan], *, dry: bool) -> tuple[set[bytes], dict[bytes, None]]:
    """Send what the plans' versions need; the artifacts that are left out, since something of them is nowhere, and the
    records met of what storages outside keep."""
    versions = [entry for plan in plans for entry in merging.needed(remote.here.catalog, plan.scope, plan.entries)]
    roots = dict.fromkeys(bytes.fromhex(entry.artifact) for entry in versions)
    remote.here.objects.refresh()
    walk = walk_content(roots, sender.look, kind=Kind.ARTIFACT)
    if walk.missing:
        walk.missing -= sender.held_there(walk.missing)
    left_out = walk.broken(roots)
    kinds = dict(walk.kinds)
    if left_out:
        whole = set().union(*(walk.below(root) for root in roots if root not in left_out))
        kinds = {key: kind for key, kind in kinds.items() if key in whole}
    kinds.update(walk_lineage([*_spans(plans), *walk.spans], sender.look).kinds)
    keys = sender.lacked(kinds)
    if dry:
        sender.total, sender.objects = sender.plan(keys), len(keys)
        sender.done = sender.total
    else:
        sender.send(keys, kinds)
    return left_out, walk.stored


def _spans(plans: Sequence[_Plan]) -> list[bytes]:
    spans = [entry for plan in plans for entry in plan.entries if isinstance(entry, SpanEntry)]
    return [bytes.fromhex(text) for entry in spans for text in (entry.close, entry.open) if text is not None]


def _with_inputs(remote: Remote, plans: Sequence[_Plan], sender: Sender) -> list[_Plan]:
    """Of the plans, of the versions that the spans of theirs read, and of what those were made from, to the end: what
    the remote lacks."""
    found: dict[Scope, dict[str, Entry]] = {plan.scope: {one.write: one for one in plan.entries} for plan in plans}
    asked: set[bytes] = set()
    while True:
        entries = [entry for of_scope in found.values() for entry in of_scope.values()]
        closings = {
            bytes.fromhex(entry.close) for entry in entries if isinstance(entry, SpanEntry) and entry.close is not None
        } - asked
        if not closings:
            break
        asked |= closings
        for artifact in inputs_of(closings, sender.look):
            for scope, entry in _entries_of(remote, artifact):
                found.setdefault(scope, {}).setdefault(entry.write, entry)
    reached = {plan.scope: plan.done for plan in plans}
    return [
        _Plan(
            scope,
            sorted(merging.lacked(remote.catalog, list(of_scope.values())), key=order),
            reached.get(scope, (0, "")),
        )
        for scope, of_scope in found.items()
    ]


def _entries_of(remote: Remote, artifact: bytes) -> list[tuple[Scope, Entry]]:
    """The entries here that hold an artifact, their names' declarations and their spans."""
    catalog = remote.here.catalog
    found: list[tuple[Scope, Entry]] = []
    for row in catalog.refs.versions_of(artifact):
        scope = (row.project, row.domain)
        log = RefLog(remote.here.store, *scope)
        entries = merging.entries_after(log, None)[0]
        span = row.span.hex() if row.span is not None else None
        found += [
            (scope, entry)
            for entry in entries
            if entry.write == row.write
            or (isinstance(entry, DeclareEntry) and entry.name == row.name)
            or (isinstance(entry, SpanEntry) and span is not None and entry.open == span)
        ]
    return found


def _note(remote: Remote, selection: Selection, plans: Sequence[_Plan]) -> None:
    reached = {"/".join(plan.scope): list(plan.done) for plan in plans if plan.done[0]}
    remote.change_state(lambda state: state.setdefault("sent", {}).setdefault(selection.text, {}).update(reached))
