"""The records of what a remote's logs name, brought by a fetch: its refs can be asked offline then, as git's can."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cas.objects.ids import Kind
from cas.refs.entries import SpanEntry
from cas.remotes import merging
from cas.remotes.closure import walk_content, walk_lineage
from cas.remotes.receiving import receiving
from cas.remotes.selection import EVERYTHING, Selection
from cas.remotes.sides import JOBS, Progress, Remote, none

if TYPE_CHECKING:
    from cas.remotes.reports import Transfer

__all__ = ["bring_records"]

_NOTED = "told"


def bring_records(
    remote: Remote, selection: Selection = EVERYTHING, *, jobs: int = JOBS, progress: Progress = none
) -> Transfer:
    """Bring the artifacts' and spans' records of what the copies of the remote's logs name, contents not.

    A record that is nowhere is left out. Raises CorruptObject and its kin for bytes that are not what they should be.
    """
    noted = remote.state().get(_NOTED, {}).get(selection.text, {})
    reached: dict[str, list[object]] = {}
    artifacts: dict[bytes, None] = {}
    spans: dict[bytes, None] = {}
    for log in remote.copies():
        scope = (log.project, log.domain)
        before = noted.get("/".join(scope))
        entries, done = merging.entries_after(log, tuple(before) if before else None, remote.fresh.get(scope, ()))
        if not entries:
            continue
        reached["/".join(scope)] = list(done)
        remote.catalog.catch_up(log)
        chosen = selection.choose(entries, scope, remote.here.home)
        for version in merging.needed(remote.catalog, scope, chosen):
            artifacts[bytes.fromhex(version.artifact)] = None
        for entry in chosen:
            if isinstance(entry, SpanEntry):
                spans.update((bytes.fromhex(text), None) for text in (entry.close, entry.open) if text is not None)
    with receiving(remote, jobs=jobs, progress=progress) as receiver:
        if artifacts or spans:
            walk = walk_content(artifacts, receiver.look, kind=Kind.ARTIFACT, deep=lambda _: False)
            walk_lineage([*spans, *walk.spans], receiver.look)
            receiver.staging.admit()
        if reached:
            remote.change_state(
                lambda state: state.setdefault(_NOTED, {}).setdefault(selection.text, {}).update(reached)
            )
        return receiver.report()
