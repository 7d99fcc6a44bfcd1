"""Fetching: copies of a remote's new segments, as they are, admitted once all of them are verified.

The copies under ``refs/remotes/<remote>/`` are what rollbacks and forks of the remote are judged against. A fetch that
finds nothing new costs one listing, or, where the remote's logs are long, one for each level of them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

from cas.errors import CasError, CorruptObject, LimitExceeded, NoRepository, NotFound, RefRollback, RefSyntax
from cas.refs import checkpoints
from cas.refs.log import RefLog
from cas.refs.names import check_domain, check_project
from cas.refs.segments import MAX_BYTES, Segment, digest, parse
from cas.refs.stamps import check_not_ahead
from cas.remotes import bundles
from cas.remotes.sides import DAMAGED, JOBS, Remote, Scope, in_threads
from cas.storage.contract import FileInfo

__all__ = ["Fetched", "fetch"]

_FILE = re.compile(r"refs/([^/]+)/([^/]+)/([0-9]{20})\.(toml|arrow|bundle)")
# Up to this many segments in all, one listing says everything in as many requests as looking at each log would take.
_FEW = 1000
_BATCH = 256
# From this many missing segments on, a checkpoint spares most of them.
_MANY = 512


class _Files(dict[int, FileInfo]):
    """The files of a log: segments by number, checkpoints by their number negated."""

    def __init__(self) -> None:
        super().__init__()
        self.bundles: dict[int, int] = {}
        """The sizes of bundles, by the last segment of each."""


Seen = dict[Scope, _Files]


class Fetched(NamedTuple):
    """The new segments, and the logs that they are of."""

    segments: int
    entries: int
    scopes: tuple[Scope, ...]


class _Folded(NamedTuple):
    """A checkpoint that spared segments, and the last segment that it holds."""

    number: int
    digest: str
    content: bytes
    last: bytes


class _News(NamedTuple):
    """What is new in one log, verified: contents by number, in order, and a checkpoint where that spared segments."""

    scope: Scope
    folded: _Folded | None
    segments: list[tuple[Segment, bytes]]
    tip: FileInfo | None


class _Lag(NamedTuple):
    """What a log there has that the copy here lacks: the last segment kept, the numbers after it, the files there."""

    scope: Scope
    kept: tuple[int, str]
    numbers: Sequence[int]
    there: _Files


def fetch(remote: Remote, *, jobs: int = JOBS, only: Collection[Scope] = ()) -> Fetched:
    """Take in what is new in the remote's logs. Nothing is admitted unless all of it verifies.

    Of logs that were fetched before, ``only`` these may be looked at, where that takes fewer requests.
    Raises RefRollback where the remote's history is not a continuation of the one kept, RefSyntax and its kin for
    segments that are none, RefConflict for stamps over a day ahead, NoRepository, and the remote errors.
    """
    remote.fresh.clear()
    state = remote.state()
    positions = {(log.project, log.domain): _kept(remote, log, state) for log in remote.copies()}
    tips: dict[str, list[int]] = state.get("tips", {})
    some = {scope: positions[scope] for scope in only if positions.get(scope, (0, ""))[0]}
    beyond = getattr(remote.store, "list_after", None)
    if some and len(some) == len(only) and beyond is not None:
        positions = some
        listed = {scope: _beyond(beyond, scope, number) for scope, (number, _) in some.items()}
    else:
        listed = _listed(remote, positions)
    news: list[_News] = []
    for scope in sorted({*positions, *listed}):
        number, known = positions.get(scope, (0, "0" * 64))
        there = listed.get(scope, _Files())
        _check_tip(remote, scope, (number, known), there, tips.get("/".join(scope)))
        news.append(_read_news(remote, scope, (number, known), there, jobs))
    _admit(remote, news, jobs)
    fresh = [one for one in news if one.segments or one.folded]
    return Fetched(
        sum(len(one.segments) for one in fresh),
        sum(len(segment.entries) for one in fresh for segment, _ in one.segments),
        tuple(one.scope for one in fresh),
    )


# --- what is there -----------------------------------------------------------------------------------


def _listed(remote: Remote, positions: dict[Scope, tuple[int, str]]) -> Seen:
    """The files of the remote's logs, as far as they say what is new."""
    store = remote.store
    if not store.listable:
        return _probed(remote, positions)
    folders = getattr(store, "folders", None)
    if folders is None or sum(number for number, _ in positions.values()) <= _FEW:
        seen = _sorted_out(store.list("refs/"))
        for scope, (number, _) in positions.items():
            segments = sum(1 for one in seen.get(scope, {}) if 0 < one <= number)
            if segments < number:
                raise _gone(remote, scope, f"{number} of its segments were fetched, {segments} are left")
        return seen
    found: Seen = {}
    for project in folders("refs/"):
        for domain in folders(f"refs/{project}/") if project != "remotes" else ():
            scope = (project, domain)
            found[scope] = _after(store, scope, positions.get(scope, (0, ""))[0])
    return found


def _after(store: Any, scope: Scope, number: int) -> _Files:
    """The files of a log from a segment that was fetched on, that one included: it must still stand."""
    beyond = getattr(store, "list_after", None)
    if number and beyond is not None:
        return _beyond(beyond, scope, number)
    prefix = f"refs/{scope[0]}/{scope[1]}/"
    # The names of segment n and the next begin alike: their listing is short, and tells whether n still stands.
    narrow = _common(f"{number:020d}", f"{number + 1:020d}") if number else ""
    seen = _sorted_out(store.list(prefix + narrow)).get(scope, _Files())
    last = max(seen, default=0)
    if narrow and last > 0 and not f"{last + 1:020d}".startswith(narrow):
        seen = _sorted_out(store.list(prefix)).get(scope, _Files())
    return seen


def _beyond(beyond: Any, scope: Scope, number: int) -> _Files:
    """The same from a store that lists from behind a name on."""
    prefix = f"refs/{scope[0]}/{scope[1]}/"
    return _sorted_out(beyond(prefix, f"{prefix}{number - 1:020d}.toml")).get(scope, _Files())


def _common(one: str, other: str) -> str:
    """What two texts begin with alike."""
    length = next((at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), len(one))
    return one[:length]


def _probed(remote: Remote, positions: dict[Scope, tuple[int, str]]) -> Seen:
    """For a remote that cannot be listed: the logs known, its own default and ours, read on until one is missing."""
    scopes = dict.fromkeys((*positions, remote.home(), remote.here.home))
    return {scope: _Files() for scope in scopes}


def _sorted_out(files: Iterable[FileInfo]) -> Seen:
    """Files by log. What is no log's file is passed over."""
    found: Seen = {}
    for info in files:
        match = _FILE.fullmatch(info.name)
        if match is None or match[1] == "remotes":
            continue
        try:
            scope = (check_project(match[1]), check_domain(match[2]))
        except RefSyntax:
            continue
        number, kept = int(match[3]), found.setdefault(scope, _Files())
        if match[4] == "bundle":
            kept.bundles[number] = info.size
        else:
            kept[number if match[4] == "toml" else -number] = info
    return found


def _check_tip(remote: Remote, scope: Scope, last: tuple[int, str], there: _Files, tip: list[int] | None) -> None:
    """Raises RefRollback unless the last segment kept (its number and digest) stands there as it was."""
    number, known = last
    if not number:
        return
    info = there.get(number)
    if remote.store.listable and info is None:
        raise _gone(remote, scope, f"segment {number} was fetched, and is gone")
    if info is not None and (tip == [number, info.size, info.modified] or number + 1 in there):
        return  # the next one, which is read now, must name the one kept
    made = getattr(remote.store, "made", None)
    if info is not None and made is not None and made(info):
        return
    try:
        content = _read(remote, scope, number, info)
    except FileNotFoundError:
        raise _gone(remote, scope, f"segment {number} was fetched, and is gone") from None
    if digest(content) != known:
        raise _rollback(remote, scope, f"segment {number} is not the one that was fetched")


# --- reading and verifying ---------------------------------------------------------------------------


def _read_news(remote: Remote, scope: Scope, kept: tuple[int, str], there: _Files, jobs: int) -> _News:
    number, known = kept
    folded = _checkpoint(remote, scope, there) if not number else None
    if folded is not None:
        number, known = folded.number, folded.digest
    last = max(there, default=0)
    if remote.store.listable:
        segments = _read_chain(remote, scope, (number, known), there, jobs)
    else:
        segments = _read_on(remote, scope, (number, known))
    return _News(scope, folded, segments, there.get(last))


def _read_chain(
    remote: Remote, scope: Scope, kept: tuple[int, str], there: _Files, jobs: int
) -> list[tuple[Segment, bytes]]:
    """The segments after the last one kept, verified; from bundles where those spare requests."""
    numbers = range(kept[0] + 1, max(there, default=0) + 1)
    # The last segment comes from its own file: its chain vouches for what bundles said of those before.
    useful = bundles.chosen(there.bundles, numbers[:-1])
    if useful:
        bundled: dict[int, bytes] = {}
        try:
            for content in in_threads(jobs, partial(_bundle, remote, scope, there), useful):
                bundled.update(bundles.split(content))
            given = {one: bundled[one] for one in numbers[:-1] if one in bundled and one in there}
            return _verified_all(remote, _Lag(scope, kept, numbers, there), given, jobs)
        except (FileNotFoundError, CasError):
            pass  # derived: what is wrong with the log itself its own files say, just below
    return _verified_all(remote, _Lag(scope, kept, numbers, there), {}, jobs)


def _bundle(remote: Remote, scope: Scope, there: _Files, last: int) -> bytes:
    return remote.store.read(bundles.name(scope, last), 0, there.bundles[last])


def _verified_all(remote: Remote, lag: _Lag, given: dict[int, bytes], jobs: int) -> list[tuple[Segment, bytes]]:
    """The segments that are lacking, each following the one before; those not ``given`` are read."""
    scope, kept, numbers, there = lag
    segments: list[tuple[Segment, bytes]] = []
    known = kept[1]
    for start in range(0, len(numbers), _BATCH):
        batch = numbers[start : start + _BATCH]
        wanted = [one for one in batch if one not in given]
        read = in_threads(jobs, lambda one: _read_listed(remote, scope, one, there.get(one)), wanted)
        contents = {**given, **dict(zip(wanted, read, strict=True))}
        for one in batch:
            segments.append(_verified(remote, scope, one, known, contents[one]))
            known = segments[-1][0].digest
    return segments


def _read_on(remote: Remote, scope: Scope, kept: tuple[int, str]) -> list[tuple[Segment, bytes]]:
    """The segments after the last one kept, verified, one by one until one is missing."""
    number, known = kept
    segments: list[tuple[Segment, bytes]] = []
    while (content := _read_if_there(remote, scope, number + 1)) is not None:
        segments.append(_verified(remote, scope, number + 1, known, content))
        number, known = number + 1, segments[-1][0].digest
    return segments


def _read_listed(remote: Remote, scope: Scope, number: int, info: FileInfo | None) -> bytes:
    try:
        return _read(remote, scope, number, info)
    except FileNotFoundError:
        raise _rollback(remote, scope, f"segment {number} is missing, though later ones are there") from None


def _read_if_there(remote: Remote, scope: Scope, number: int) -> bytes | None:
    try:
        return _read(remote, scope, number, None)
    except FileNotFoundError:
        return None


def _read(remote: Remote, scope: Scope, number: int, info: FileInfo | None) -> bytes:
    """A segment's bytes; nothing longer than any segment is asked for."""
    name = f"refs/{scope[0]}/{scope[1]}/{number:020d}.toml"
    if info is not None and info.size > MAX_BYTES:
        raise LimitExceeded(
            f"{remote.name}: {name} has {info.size} bytes; a segment has at most {MAX_BYTES}", hint=DAMAGED
        )
    if info is not None:
        return remote.store.read(name, 0, info.size) if info.size else remote.store.read(name)
    content = remote.store.read(name, 0, MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise LimitExceeded(f"{remote.name}: {name} is longer than any segment", hint=DAMAGED)
    return content


def _verified(remote: Remote, scope: Scope, number: int, known: str, content: bytes) -> tuple[Segment, bytes]:
    segment = _parsed(remote, scope, number, content)
    if segment.previous != known:
        raise _rollback(remote, scope, f"its segment {number} follows another history than the one kept")
    check_not_ahead(segment.entries, remote.here.now())
    return segment, content


def _parsed(remote: Remote, scope: Scope, number: int, content: bytes) -> Segment:
    try:
        segment = parse(content)
    except RefSyntax as fault:
        fault.message = f"{remote.name}: segment {number} of {scope[0]}/{scope[1]}: {fault.message}"
        fault.args = (fault.message,)
        fault.hint, fault.exit_code = DAMAGED, CorruptObject.exit_code  # nobody typed it
        raise
    if segment.number != number:
        raise _rollback(remote, scope, f"its segment {number} says that it is segment {segment.number}")
    return segment


def _checkpoint(remote: Remote, scope: Scope, there: _Files) -> _Folded | None:
    """The newest checkpoint of a long log, if it is valid and names a segment that stands there."""
    last, newest = max(there, default=0), -min(there, default=0)
    if newest <= 0 or newest > last or newest < _MANY or there[-newest].size > checkpoints.MAX_BYTES:
        return None
    content = remote.store.read(there[-newest].name, 0, there[-newest].size)
    try:
        found = checkpoints.decode(content, newest)
    except (RefSyntax, LimitExceeded):
        return None  # derived: one of another form is passed over
    segment = _read_listed(remote, scope, newest, there.get(newest))
    if _parsed(remote, scope, newest, segment).digest != found.digest:
        return None
    check_not_ahead(found.entries, remote.here.now())
    return _Folded(newest, found.digest, content, segment)


# --- admitting ---------------------------------------------------------------------------------------


def _admit(remote: Remote, news: list[_News], jobs: int) -> None:
    """Write the copies, in order, and note how far they reach; the catalog of the remote follows when it is asked."""
    tips: dict[str, list[int]] = {}
    reached: dict[str, list[object]] = {}
    for one in news:
        log = remote.copy_of(*one.scope)
        name = "/".join(one.scope)
        if one.folded is not None:
            # Its segment stands beside it: there may be none after it, and a log is told by its segments.
            log.store.create(f"{log.directory}{one.folded.number:020d}.arrow", one.folded.content)
            log.store.create(log.path(one.folded.number), one.folded.last)
            reached[name] = [one.folded.number, one.folded.digest]
        list(in_threads(jobs, partial(_keep, remote, log), one.segments))
        if one.segments:
            last = one.segments[-1][0]
            reached[name] = [last.number, last.digest]
        if one.segments and not one.folded:
            remote.fresh[one.scope] = [segment for segment, _ in one.segments]
            for segment, _ in one.segments:
                remote.catalog.wrote(log, segment)
        if one.tip is not None:
            tips[name] = [int(one.tip.name[-25:-5]), one.tip.size, one.tip.modified]
    known = remote.state().get("tips", {})
    if reached or any(known.get(name) != tip for name, tip in tips.items()):

        def change(state: dict[str, Any]) -> None:
            state.setdefault("tips", {}).update(tips)
            state.setdefault("reached", {}).update(reached)

        remote.change_state(change)


def _kept(remote: Remote, log: RefLog, state: dict[str, Any]) -> tuple[int, str]:
    """The last segment kept of a log, and its digest."""
    noted = state.get("reached", {}).get(f"{log.project}/{log.domain}")
    if noted and log.has(noted[0]) and not log.has(noted[0] + 1):
        return noted[0], noted[1]
    number, known, _ = remote.catalog.catch_up(log)
    return number, known


def _keep(remote: Remote, log: RefLog, item: tuple[Segment, bytes]) -> None:
    segment, content = item
    path = log.path(segment.number)
    if not log.store.create(path, content) and log.store.read(path) != content:
        scope = (log.project, log.domain)
        raise _rollback(remote, scope, f"another fetch brought another segment {segment.number}")


def _rollback(remote: Remote, scope: Scope, cause: str) -> RefRollback:
    return RefRollback(
        f"{remote.name} ({remote.settings.url}): the ref log {scope[0]}/{scope[1]} was rolled back or forked: {cause}",
        hint=f"if that was meant, forget it and add it again: cas remote remove {remote.name}",
    )


def _gone(remote: Remote, scope: Scope, cause: str) -> CasError:
    """What to raise where segments are missing: of a repository that is not there at all, such as one on a disk that is
    not mounted, that it is not."""
    try:
        remote.home()
    except NoRepository:
        return NoRepository(
            f"{remote.name}: there is no repository at {remote.settings.url} any more",
            hint=f"mount it or bring it back; if it moved: cas remote set-url {remote.name} URL",
        )
    return _rollback(remote, scope, cause)


def position(remote: Remote, scope: Scope) -> tuple[int, str, int]:
    """How far the copy of a log reaches: its last segment, the digest of that, the greatest stamp."""
    return remote.catalog.catch_up(remote.copy_of(*scope))


def read_on(remote: Remote, scope: Scope, first: tuple[int, bytes] | None = None, *, jobs: int = JOBS) -> None:
    """Take in what is new in one log from the last segment kept on; ``first`` is a segment that is at hand."""
    number, known, _ = position(remote, scope)
    # Another process may have taken it in here meanwhile.
    at_hand = first is not None and first[0] == number + 1
    content = first[1] if first is not None and at_hand else _read_if_there(remote, scope, number + 1)
    if content is None:
        return
    segments = [_verified(remote, scope, number + 1, known, content)]
    reached = (number + 1, segments[0][0].digest)
    beyond = getattr(remote.store, "list_after", None)
    if beyond is not None:
        segments += _read_chain(remote, scope, reached, _beyond(beyond, scope, number + 2), jobs)
    else:
        segments += _read_on(remote, scope, reached)
    _admit(remote, [_News(scope, None, segments, None)], jobs)


def require(remote: Remote) -> None:
    """Raises NotFound where nothing of the remote was fetched yet."""
    if not remote.copies():
        raise NotFound(f"nothing of {remote.name} is here yet", hint=f"cas fetch {remote.name}")
