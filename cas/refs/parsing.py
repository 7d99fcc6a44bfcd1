"""Any text as a revision, part by part from the left; each fault is told at its place in the text.

``cas.refs.grammar`` comes here for what its one pattern of plain refs does not match.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from cas.errors import InvalidRefName, RefSyntax
from cas.refs.grammar import At, Back, Input, Mod, Revision, Was
from cas.refs.names import check_domain, check_key, check_name, check_project, check_remote, check_version, shown
from cas.refs.partitions import EMPTY, Partition, check_count, check_time, check_value, decode_value

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["parse_slowly"]

MAX_LENGTH = 1 << 18
MAX_MODS = 1000

Part = TypeVar("Part")
Checked = TypeVar("Checked")

_HEX = re.compile(r"[0-9a-fA-F]{6,64}")
_MARK = re.compile(r"[@#~^]")
_MOD = re.compile(r"~([0-9]{0,9})(?![0-9])|\^([0-9]{0,9})(?![0-9])|@\{([^{}]*)\}")
_DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}(?:-[0-9]{2}(?:[T ][0-9]{2}(?::[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?)?)?)?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})?"
)
_HELP = "see how refs are written: cas help refs"
_EPOCH_START = "1970-01-01T00:00:00.000000"


def parse_slowly(text: str) -> Revision:
    """The revision that a text names. Raises RefSyntax (InvalidRefName for a part that may not be a name)."""
    if not isinstance(text, str):
        raise RefSyntax(f"a ref is text, not {type(text).__name__}", hint=_HELP)
    if not text:
        raise RefSyntax("the ref is empty", text=text, hint="write a name, as in: cas resolve flights")
    if len(text) > MAX_LENGTH:
        raise RefSyntax("the ref is longer than any valid one", text=text[:80], hint=_HELP)
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
        raise RefSyntax("a ref is 'name' or 'project/domain/name'", text=text, position=start, hint=_HELP)
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
            raise RefSyntax(f"the key {shown(key)} is given twice", text=text, position=position, hint="leave one away")
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
                raise RefSyntax("inputs count from ^1", text=text, position=position, hint="write ^1 for the first")
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
        return RefSyntax(f"'{mark}' takes a count of at most 9 digits", text=text, position=position, hint=_HELP)
    return RefSyntax(f"{shown(mark)} is not expected here", text=text, position=position, hint=_HELP)


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
            raise RefSyntax(
                f"{shown(part)} cannot be part of a path",
                text=text,
                position=position,
                hint="as in: reports//jan/plot.svg",
            )
        position += len(part) + 1
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise RefSyntax("the path is not Unicode text", text=text, position=start + error.start) from None
    return path


def _part(text: str, start: int, part: Part, check: Callable[[Part], Checked]) -> Checked:
    """The part checked; a fault in it is told at its place in the whole text."""
    try:
        return check(part)
    except RefSyntax as fault:
        kind = InvalidRefName if isinstance(fault, InvalidRefName) else RefSyntax
        raise kind(fault.message, text=text, position=start + fault.position, hint=fault.hint) from None
