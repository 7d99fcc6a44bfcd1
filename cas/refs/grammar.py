"""The revision grammar (docs/format.md, Revision grammar), parsed here and nowhere else.

    ref  = [remote ":"] [project "/" domain "/"] name ["@" k=v {"," k=v}] ["#" selector] {mod} ["//" path]
    mod  = "~" [N] | "^" [N] | "@{" date "}" | "@{" N "}"
    span = "%" id-prefix ["//" label]

``parse("scores@b=2,a=1#prod~1")`` has the name ``scores``, the keys a and b, the selector ``prod`` and ``Back(1)``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from cas.errors import InvalidRefName, RefSyntax
from cas.refs.names import check_domain, check_key, check_name, check_project, check_remote, check_version, shown
from cas.refs.partitions import EMPTY, Partition, check_count, check_time, check_value, decode_value

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["At", "Back", "Input", "Mod", "Revision", "Was", "format", "parse"]

MAX_LENGTH = 1 << 18
MAX_MODS = 1000

Part = TypeVar("Part")
Checked = TypeVar("Checked")


class Back(NamedTuple):
    """``~N``: the version N steps earlier."""

    steps: int


class Input(NamedTuple):
    """``^N``: the Nth input, from 1, of the span that made it."""

    number: int


class At(NamedTuple):
    """``@{date}``: where the ref pointed at that time, in microseconds UTC."""

    time: int


class Was(NamedTuple):
    """``@{N}``: where the ref pointed N moves ago."""

    moves: int


Mod = Back | Input | At | Was


class Revision(NamedTuple):
    """A ref or span as it was written; what is not there is None, or EMPTY, or ()."""

    remote: str | None
    project: str | None
    domain: str | None
    name: str | None
    partition: Partition
    selector: str | None
    mods: tuple[Mod, ...]
    path: str | None
    span: str | None

    @property
    def is_bare(self) -> bool:
        """Whether it is a name and no more, save perhaps a path: it could be an id instead."""
        name = self.name
        return name is not None and self == Revision(None, None, None, name, EMPTY, None, (), self.path, None)

    @property
    def id_prefix(self) -> str | None:
        """The id prefix that a bare name could be (6 to 64 hex digits, in lower case), else None."""
        name = self.name
        return name.lower() if name and _HEX.fullmatch(name) and self.is_bare else None


_HEX = re.compile(r"[0-9a-fA-F]{6,64}")
# The refs that batches are made of, taken in one match; whatever it does not match goes through _parse.
_PLAIN = re.compile(
    r"([A-Za-z0-9_]+(?:[.-][A-Za-z0-9_]+)*)"
    r"(?:@([A-Za-z_][A-Za-z0-9_]*=[A-Za-z0-9_][A-Za-z0-9_.:-]*(?:,[A-Za-z_][A-Za-z0-9_]*=[A-Za-z0-9_][A-Za-z0-9_.:-]*)*))?"
    r"(?:#([A-Za-z0-9_]+(?:[.-][A-Za-z0-9_]+)*))?",
    re.ASCII,
)
_MARK = re.compile(r"[@#~^]")
_MOD = re.compile(r"~([0-9]{0,9})(?![0-9])|\^([0-9]{0,9})(?![0-9])|@\{([^{}]*)\}")
_DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}(?:-[0-9]{2}(?:[T ][0-9]{2}(?::[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?)?)?)?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})?"
)
_EPOCH_START = "1970-01-01T00:00:00.000000"


@lru_cache(maxsize=4096)
def parse(text: str) -> Revision:
    """The revision that a text names. Raises RefSyntax (InvalidRefName for a part that may not be a name)."""
    found = _PLAIN.fullmatch(text) if isinstance(text, str) and len(text) <= 256 else None
    if found is None:
        return _parse(text)
    name, partition, selector = found.groups()
    try:
        return Revision(
            None,
            None,
            None,
            check_name(name),
            _plain_partition(partition) if partition else EMPTY,
            selector and check_version(selector),
            (),
            None,
            None,
        )
    except RefSyntax:
        return _parse(text)


def format(revision: Revision) -> str:  # noqa: A001 - the pair of parse; callers write grammar.format
    """The text of a revision in its one normal form: ``parse(format(r)) == r``."""
    path = "" if revision.path is None else f"//{revision.path}"
    if revision.span is not None:
        return f"%{revision.span}{path}"
    remote = "" if revision.remote is None else f"{revision.remote}:"
    scope = "" if revision.project is None else f"{revision.project}/{revision.domain}/"
    partition = f"@{revision.partition.text}" if revision.partition != EMPTY else ""
    selector = "" if revision.selector is None else f"#{revision.selector}"
    return f"{remote}{scope}{revision.name}{partition}{selector}{''.join(map(_format_mod, revision.mods))}{path}"


def _plain_partition(text: str) -> Partition:
    """The partition of a text that _PLAIN matched: nothing in it is encoded or long."""
    time = None
    pairs = []
    for item in text.split(","):
        key, _, value = item.partition("=")
        if key == "time" and time is None:
            time = check_time(value)
        else:
            pairs.append((check_key(key), value))
    if len(pairs) > 1:
        _check_pairs(pairs, text)
        pairs.sort()
    elif pairs and pairs[0][0] == "time":
        raise RefSyntax("'time' is given twice", text=text)
    return Partition(tuple(pairs), time)


def _check_pairs(pairs: list[tuple[str, str]], text: str) -> None:
    check_count(len(pairs))
    seen = set()
    for key, _ in pairs:
        if key in seen or key == "time":
            raise RefSyntax(f"the key {shown(key)} is given twice", text=text)
        seen.add(key)


def _parse(text: str) -> Revision:
    """Any text, part by part from the left; the fault's position is that of the part."""
    if not isinstance(text, str):
        raise RefSyntax(f"a ref is text, not {type(text).__name__}")
    if not text:
        raise RefSyntax("the ref is empty", text=text, hint="write a name, as in: cas resolve flights")
    if len(text) > MAX_LENGTH:
        raise RefSyntax("the ref is longer than any valid one", text=text[:80])
    head, slashes, tail = text.partition("//")
    if text[0] == "%":
        return _parse_span(text, head, _path(text, len(head) + 2, tail) if slashes else None)
    found = _MARK.search(head)
    end = found.start() if found else len(head)
    remote, project, domain, name = _address(text, head[:end], bool(slashes))
    path = _path(text, len(head) + 2, tail) if slashes else None
    partition, end = _partition(text, head, end, name)
    selector, end = _selector(text, head, end)
    return Revision(remote, project, domain, name, partition, selector, _mods(text, head, end), path, None)


def _parse_span(text: str, head: str, path: str | None) -> Revision:
    if not _HEX.fullmatch(head, 1):
        raise RefSyntax(
            "a span is % and 6 to 64 hex digits of its id", text=text, position=1, hint="see the ids: cas span list"
        )
    return Revision(None, None, None, None, EMPTY, None, (), path, head[1:].lower())


def _address(text: str, address: str, has_path: bool) -> tuple[str | None, str | None, str | None, str]:
    remote, colon, rest = address.rpartition(":")
    if has_path and colon and not rest:
        raise RefSyntax(
            f"{shown(text)} is a URL, not a ref", text=text, hint="name the remote: cas remote add NAME URL"
        )
    start = len(remote) + len(colon)
    if colon:
        _part(text, 0, remote, check_remote)
    parts = rest.split("/")
    if len(parts) not in (1, 3):
        raise RefSyntax("a ref is 'name' or 'project/domain/name'", text=text, position=start)
    if len(parts) == 1:
        return remote if colon else None, None, None, _part(text, start, rest, check_name)
    project, domain, name = parts
    _part(text, start, project, check_project)
    _part(text, start + len(project) + 1, domain, check_domain)
    _part(text, start + len(project) + len(domain) + 2, name, check_name)
    return remote if colon else None, project, domain, name


def _partition(text: str, head: str, start: int, name: str) -> tuple[Partition, int]:
    """The partition that begins at ``start`` with its @, and where it ends."""
    if head[start : start + 1] != "@" or head[start + 1 : start + 2] == "{":
        return EMPTY, start
    found = _MARK.search(head, start + 1)
    end = found.start() if found else len(head)
    pairs: list[tuple[str, str]] = []
    time = None
    position = start + 1
    for item in head[position:end].split(","):
        key, equals, value = item.partition("=")
        if not equals:
            hint = f"did you mean {name}#{item}?" if item and not pairs else "write key=value"
            raise RefSyntax(f"after '@' comes key=value, not {shown(item)}", text=text, position=position, hint=hint)
        _part(text, position, key, check_key)
        value = _part(text, position + len(key) + 1, value, decode_value)
        if key in [known for known, _ in pairs] or (key == "time" and time is not None):
            raise RefSyntax(f"the key {shown(key)} is given twice", text=text, position=position)
        if key == "time":
            time = _part(text, position + 5, value, check_time)
        else:
            pairs.append((key, _part(text, position + len(key) + 1, value, check_value)))
            _part(text, position, len(pairs), check_count)
        position += len(item) + 1
    return Partition(tuple(sorted(pairs)), time), end


def _selector(text: str, head: str, start: int) -> tuple[str | None, int]:
    if head[start : start + 1] != "#":
        return None, start
    found = _MARK.search(head, start + 1)
    end = found.start() if found else len(head)
    return _part(text, start + 1, head[start + 1 : end], check_version), end


def _mods(text: str, head: str, position: int) -> tuple[Mod, ...]:
    mods: list[Mod] = []
    while position < len(head):
        found = _MOD.match(head, position)
        if found is None or len(mods) >= MAX_MODS:
            raise _misplaced(text, head, position)
        back, number, moment = found.groups()
        if back is not None:
            mods.append(Back(int(back or 1)))
        elif number is not None:
            if number and not int(number):
                raise RefSyntax("inputs count from ^1", text=text, position=position)
            mods.append(Input(int(number or 1)))
        else:
            mods.append(_moment(text, moment, position + 2))
        position = found.end()
    return tuple(mods)


def _misplaced(text: str, head: str, position: int) -> RefSyntax:
    mark = head[position]
    if mark == "@" and "#" in head[:position]:
        return RefSyntax(
            "partitions come before '#'", text=text, position=position, hint="write name@key=value#version"
        )
    if mark == "@":
        return RefSyntax(
            "here '@' needs a date or count in braces", text=text, position=position, hint="write @{2024-05-01}"
        )
    if mark in "~^":
        return RefSyntax(f"'{mark}' takes a count of at most 9 digits", text=text, position=position)
    return RefSyntax(f"{shown(mark)} is not expected here", text=text, position=position)


def _moment(text: str, moment: str, position: int) -> Mod:
    if moment.isascii() and moment.isdigit() and len(moment) <= 9:
        return Was(int(moment))
    found = _DATE.fullmatch(moment)
    if found:
        from cas.clock import from_datetime

        zone = found[1] or ""
        local = moment[: len(moment) - len(zone)].replace(" ", "T")
        try:
            time = from_datetime(_datetime(local, zone))
        except (ValueError, OverflowError):
            time = -1
        if 0 <= time < 253402300800000000:
            return At(time)
    raise RefSyntax(
        f"{shown(moment)} is neither a date nor a count",
        text=text,
        position=position,
        hint="write @{2024-05-01}, @{2024-05-01T13:45Z} (UTC) or @{2} (moves ago)",
    )


def _datetime(local: str, zone: str) -> datetime:
    from datetime import datetime

    whole = local + _EPOCH_START[len(local) :] if len(local) <= 19 else local.ljust(26, "0")
    return datetime.fromisoformat(whole + ("+00:00" if zone in ("", "Z") else zone))


def _path(text: str, start: int, tail: str) -> str:
    """The path below a tree, or a label: parts between single slashes, one at the end is taken off."""
    path = tail[:-1] if tail.endswith("/") else tail
    position = start
    for part in path.split("/"):
        if part in ("", ".", "..") or "\0" in part:
            raise RefSyntax(f"{shown(part)} cannot be part of a path", text=text, position=position)
        position += len(part) + 1
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise RefSyntax("the path is not Unicode text", text=text, position=start + error.start) from None
    return path


def _format_mod(mod: Mod) -> str:
    if isinstance(mod, Back):
        return "~" if mod.steps == 1 else f"~{mod.steps}"
    if isinstance(mod, Input):
        return "^" if mod.number == 1 else f"^{mod.number}"
    if isinstance(mod, Was):
        return f"@{{{mod.moves}}}"
    from cas.clock import to_iso

    return f"@{{{to_iso(mod.time)}}}"


def _part(text: str, start: int, part: Part, check: Callable[[Part], Checked]) -> Checked:
    """The part checked; a fault in it is told at its place in the whole text."""
    try:
        return check(part)
    except RefSyntax as fault:
        kind = InvalidRefName if isinstance(fault, InvalidRefName) else RefSyntax
        raise kind(fault.message, text=text, position=start + fault.position, hint=fault.hint) from None
