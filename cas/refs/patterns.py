"""Patterns over refs, for finding and listing: the wildcards of the shell on names and partition values.

``parse_pattern("ride_*@region=eu-?,time=2024-05*")`` matches all dates of May 2024 in regions such as ``eu-1``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from cas.errors import RefSyntax
from cas.refs.names import check_key, shown
from cas.refs.partitions import MAX_VALUE_BYTES, Partition, check_count, decode_value

__all__ = ["Pattern", "glob", "parse_pattern"]

# What neither a name nor a wildcard has; '!' negates a set, as in the shell.
_FORBIDDEN = r"[\\:~#^,=%{\x00-\x1f\x7f]"
_WILD = r"[*?[]"


class Pattern(NamedTuple):
    """Globs for each part; ``project`` and ``domain`` None: the repository's own; ``time`` None: any or none."""

    project: str | None
    domain: str | None
    name: str
    keys: tuple[tuple[str, str], ...]
    time: str | None

    @property
    def is_plain(self) -> bool:
        """Whether the name is spelled out: it has no wildcard."""
        return re.search(_WILD, self.name) is None

    def matches(self, name: str, partition: Partition) -> bool:
        """Whether a short name and its partition fit; keys that the pattern does not mention may be anything."""
        if not glob(self.name, name):
            return False
        if self.time is not None and (partition.time is None or not glob(self.time, partition.time)):
            return False
        if not self.keys:
            return True
        values = dict(partition.keys)
        return all(key in values and glob(value, values[key]) for key, value in self.keys)


def parse_pattern(text: str) -> Pattern:
    """The pattern that a text writes: ``[project/domain/]name[@k=v,…]`` with ``*``, ``?`` and ``[…]``.

    Values are percent-encoded as in refs; an encoded ``*`` stands for itself. Raises RefSyntax.
    """
    if not isinstance(text, str) or not text:
        raise RefSyntax("a pattern is text, and not empty", text=str(text), hint="everything is '*'")
    address, at, partition = text.partition("@")
    found = re.search(_FORBIDDEN, address)
    if found:
        hint = "a version or alias is looked up, not searched for: cas resolve REF" if found[0] == "#" else None
        raise RefSyntax(f"{found[0]!r} is not expected in a pattern", text=text, position=found.start(), hint=hint)
    parts = address.split("/")
    if len(parts) not in (1, 3) or "" in parts:
        raise RefSyntax("a pattern is 'name' or 'project/domain/name'", text=text)
    project, domain, name = parts if len(parts) == 3 else (None, None, parts[0])
    keys, time = _values(text, len(address) + 1, partition) if at else ((), None)
    return Pattern(project, domain, str(name), keys, time)


def glob(pattern: str, text: str) -> bool:
    """Whether a text fits a pattern of the shell's wildcards, in case too."""
    return _compiled(pattern).match(text) is not None


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    from fnmatch import translate

    # Runs of stars mean what one does; the translation would nest a group for each.
    return re.compile(translate(re.sub(r"\*+", "*", pattern)))


def _values(text: str, position: int, partition: str) -> tuple[tuple[tuple[str, str], ...], str | None]:
    pairs: dict[str, str] = {}
    for item in partition.split(","):
        key, equals, value = item.partition("=")
        mark = re.search(r"[#~^@/]", value)
        if not equals or not value or mark or len(value) > 3 * MAX_VALUE_BYTES:
            raise RefSyntax(
                f"after '@' comes key=value, not {shown(item)}",
                text=text,
                position=position,
                hint=f"did you mean {text[: position - 1]}#{item}?" if not equals and item else None,
            )
        if check_key(key) in pairs:
            raise RefSyntax(f"the key {shown(key)} is given twice", text=text, position=position)
        pairs[key] = _decode_glob(value)
        position += len(item) + 1
    time = pairs.pop("time", None)
    check_count(len(pairs))
    return tuple(sorted(pairs.items())), time


def _decode_glob(value: str) -> str:
    """Decode ``%XX``; a wildcard that was encoded is put in brackets, where it is itself."""
    parts = re.split(r"((?:%[0-9A-Fa-f]{2})+)", value)
    return "".join(
        re.sub(r"[*?[]", lambda found: f"[{found[0]}]", decode_value(part)) if odd % 2 else decode_value(part)
        for odd, part in enumerate(parts)
    )
