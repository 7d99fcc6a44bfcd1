"""Flyte's artifact addresses, read as refs and written on request.

    flyte://av0.1/flytesnacks/development/ride_count[@version][?region=EWR&time_partition=2024-05-01]
    ↔  flytesnacks/development/ride_count@region=EWR,time=2024-05-01#version

The whole of a name is matched: ``a.b`` stays ``a.b``. ``@version`` and ``:version`` are both read, ``@`` is written.
Source of the form: the ids that flyteidl's artifact service gives out (``av0.1``).
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, unquote

from cas.errors import RefSyntax
from cas.refs import grammar
from cas.refs.names import Name
from cas.refs.partitions import Partition

__all__ = ["format_uri", "is_uri", "parse_uri"]

SCHEME = "flyte://"
_PREFIX = "flyte://av0.1/"
_PATH = re.compile(r"([^/@:?#]+)/([^/@:?#]+)/([^/@:?#]+)(?:[@:]([^/@:?#]+))?")


def is_uri(text: str) -> bool:
    """Whether a text is meant as such an address."""
    return text.startswith(SCHEME)


def parse_uri(text: str) -> grammar.Revision:
    """The revision that an address names. Raises RefSyntax, InvalidRefName."""
    if not text.startswith(_PREFIX):
        raise RefSyntax(f"{text!r} does not begin with {_PREFIX}", text=text, hint="the only version is av0.1")
    path, mark, asked = text.removeprefix(_PREFIX).partition("?")
    found = _PATH.fullmatch(path)
    if found is None:
        raise RefSyntax(
            f"{text!r} is no artifact address", text=text, position=len(_PREFIX), hint=f"{_PREFIX}project/domain/name"
        )
    project, domain, name, version = (part if part is None else unquote(part) for part in found.groups())
    keys, time = _partition(text, asked) if mark else ({}, None)
    revision = grammar.Revision(None, project, domain, name, Partition.of(keys, time=time), version, (), None, None)
    return grammar.parse(grammar.format(revision))  # checked as any ref is


def format_uri(name: Name, partition: Partition, version: str | None = None) -> str:
    """The address of a name, a partition of it, or one version; keys in order, the time last."""
    pairs = [*partition.keys] + ([("time_partition", partition.time)] if partition.time is not None else [])
    asked = "&".join(f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in pairs)
    path = "/".join(quote(part, safe="") for part in name)
    return _PREFIX + path + (f"@{quote(version, safe='')}" if version else "") + (f"?{asked}" if asked else "")


def _partition(text: str, asked: str) -> tuple[dict[str, str], str | None]:
    try:
        pairs = parse_qsl(asked, keep_blank_values=True, strict_parsing=True, max_num_fields=64)
    except ValueError:
        raise RefSyntax(f"{text!r}: after '?' come key=value pairs", text=text, position=text.index("?") + 1) from None
    keys: dict[str, str] = {}
    time = None
    for key, value in pairs:
        if key == "time_partition":
            key = "time"  # noqa: PLW2901 - both spellings are one key
        if key in keys or (key == "time" and time is not None):
            raise RefSyntax(f"{text!r} gives {key!r} twice", text=text, position=text.index("?") + 1)
        if key == "time":
            time = value
        else:
            keys[key] = value
    return keys, time
