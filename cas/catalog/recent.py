"""What a process that writes keeps at hand of a log: names and tips it asked for or wrote, so that it asks them once.

Right as of where the catalog knows the log to end: the tables answer for what was taken in, and every segment of the
process's own that waits to be taken in is added here. Whoever learns of other writers' segments drops it.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from cas.catalog.refs import Declared, Row
from cas.refs.entries import DeclareEntry, Entry, SpanEntry, VersionEntry
from cas.refs.names import Name, collision_key
from cas.refs.partitions import EMPTY, Partition

if TYPE_CHECKING:
    from cas.catalog.refs import RefQueries

__all__ = ["Recent"]

# All names of a log are fetched once a question was asked for every so many of them, unless they are more than these.
_WORTH = 16
_MOST = 25_000
_Place = str | tuple[str, Partition]
_NOWHERE = -1  # the number of a ref that may have no row yet


class Recent:
    """Names and tips of one log. ``size`` counts what it holds, ``added`` how often something was written.

    ``lock`` is held where something is added: an answer must not come to lie over what was written meanwhile. A process
    may write names by the hundred thousand, so most are texts alone: what the garbage collector walks costs time again
    and again.
    """

    def __init__(self, refs: RefQueries, lock: AbstractContextManager[Any], project: str, domain: str) -> None:
        self.size = 0
        self.added = 0
        self._refs = refs
        self._lock = lock
        self._scope = (project, domain)
        # By what twins share; a text is a name alone of which nothing is declared.
        self._names: dict[str, str | dict[str, Declared]] = {}
        self._new: set[str] = set()  # names of which the tables may know nothing: all there is of them is here
        self._tips: dict[_Place, VersionEntry | Row | None] = {}
        self._older: dict[tuple[_Place, str], bytes] = {}  # literals of versions before the tip that may wait
        self._asked = 0
        self._is_whole = False

    def twins(self, name: str) -> dict[str, Declared]:
        """What the log says of the names that share a name's key: of itself where it is there, and of its twins."""
        found = self._sharing(collision_key(name))
        return {found: _undeclared(found)} if isinstance(found, str) else found

    def tip(self, name: str, partition: Partition) -> Row | None:
        """The version that an exact partition is at."""
        place = _place(name, partition)
        tip = self._tips.get(place)
        if tip is None:
            if place in self._tips or name in self._new or name not in self.twins(name):
                return None
            with self._lock:
                if place not in self._tips:
                    self._tips[place] = self._refs.tip(Name(*self._scope, name), partition)
                    self.size += 1
                tip = self._tips[place]
        if type(tip) is VersionEntry:
            tip = self._tips[place] = _row(self._scope, tip)
        return tip  # type: ignore[return-value]  # narrowed by type(…), which costs less than isinstance

    def version_is(self, name: str, partition: Partition, version: str) -> bytes | None:
        """The literal that a version name of an exact partition means, deleted or not."""
        place = _place(name, partition)
        tip = self._tips.get(place)
        if tip is not None and tip.version == version:
            return _literal(tip)
        older = self._older.get((place, version))
        if older is not None:
            return older
        if name in self._new:
            return None
        number = self._refs.ref_number(Name(*self._scope, name), partition)
        return None if number is None else self._refs.version_is(number, version)

    def add(self, entries: Iterable[Entry]) -> bool:
        """Add what was just written; False where that is more than versions, declarations and spans: it is of no use
        any more then."""
        self.added += 1
        for entry in entries:
            if type(entry) is VersionEntry:
                self._add_name(entry.name)
                place = _place(entry.name, entry.partition)
                before = self._tips.get(place)
                if before is not None:
                    self._older[place, before.version] = _literal(before)
                    self.size += 1
                self._tips[place] = entry
                self.size += 1
            elif type(entry) is DeclareEntry:
                name, keys, granularity, kind, description, _, _ = entry
                self._add_name(name)
                declared = Declared(name, keys, granularity and granularity.value, kind, description)
                self._names[collision_key(name)] = self.twins(name) | {name: declared}
            elif type(entry) is not SpanEntry:
                return False
        return True

    def _add_name(self, name: str) -> None:
        """Add a name that was just written, if it is new."""
        key = collision_key(name)
        found = self._names.get(key)
        if found is None and not self._is_whole:
            found = self._sharing(key)
        if found == name or (type(found) is dict and name in found):
            return
        self._names[key] = self.twins(name) | {name: _undeclared(name)} if found else name
        self._new.add(name)
        self.size += 1

    def _sharing(self, key: str) -> str | dict[str, Declared]:
        """The names of a key."""
        found = self._names.get(key)
        if found is None:
            if self._is_whole:
                return {}
            with self._lock:
                if key not in self._names:
                    self._names[key] = self._ask(key)
                    self.size += 1
                found = self._names[key]
        return found

    def _ask(self, key: str) -> str | dict[str, Declared]:
        self._asked += 1
        now = self._asked >= _WORTH and not self._asked & (self._asked - 1)
        if now and self._refs.count_names(*self._scope) <= min(self._asked * _WORTH, _MOST):
            self._fetch_names()
            return self._names.get(key, {})
        return {one.name: one for one in self._refs.twins(*self._scope, key)}

    def _fetch_names(self) -> None:
        fetched: dict[str, dict[str, Declared]] = {}
        for one in self._refs.every_declared(*self._scope):
            fetched.setdefault(collision_key(one.name), {})[one.name] = one
            self.size += 1
        for key, names in fetched.items():
            if key not in self._names:  # what is here already may be newer than the tables
                name = next(iter(names))
                self._names[key] = name if names == {name: _undeclared(name)} else names
        self._is_whole = True


def _place(name: str, partition: Partition) -> _Place:
    """What stands for an exact partition of a name."""
    return name if partition == EMPTY else (name, partition)


def _undeclared(name: str) -> Declared:
    return Declared(name, None, None, None, None)


def _literal(tip: VersionEntry | Row) -> bytes:
    literal = tip.literal
    return bytes.fromhex(literal) if isinstance(literal, str) else literal


def _row(scope: tuple[str, str], entry: VersionEntry) -> Row:
    name, partition, version, literal, artifact, span, stamp, write = entry
    made_by = None if span is None else bytes.fromhex(span)
    place = (*scope, name, partition.text, version)
    return Row(*place, bytes.fromhex(literal), bytes.fromhex(artifact), made_by, stamp, write, _NOWHERE)
