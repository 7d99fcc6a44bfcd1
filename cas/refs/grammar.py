"""The revision grammar (docs/format.md, Revision grammar), parsed here and nowhere else.

    ref  = [remote ":"] [project "/" domain "/"] name ["@" k=v {"," k=v}] ["#" selector] {mod} ["//" path]
    mod  = "~" [N] | "^" [N] | "@{" date "}" | "@{" N "}"
    span = "%" id-prefix ["//" label]

``parse("scores@b=2,a=1#prod~1")`` has the name ``scores``, the keys a and b, the selector ``prod`` and ``Back(1)``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from cas.errors import RefSyntax
from cas.refs.names import MAX_KEYS, check_key, check_name, check_version, looks_like_id
from cas.refs.partitions import EMPTY, Partition, check_time

__all__ = ["At", "Back", "Input", "Mod", "Revision", "Was", "format", "parse"]


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
        return name.lower() if name and looks_like_id(name) and self.is_bare else None


# The refs that batches are made of, taken in one match; whatever it does not match is parsed part by part.
_PLAIN = re.compile(r"([\w.+-]+)(?:@([\w=,.:+-]+))?(?:#([\w.+-]+))?", re.ASCII)


@lru_cache(maxsize=4096)
def parse(text: str) -> Revision:
    """The revision that a text, or a ``flyte://`` address, names.

    Raises RefSyntax (InvalidRefName for a part that may not be a name).
    """
    found = _PLAIN.fullmatch(text) if isinstance(text, str) and len(text) <= 256 else None
    if found is not None:
        name, partition, selector = found.groups()
        try:
            part = _plain_partition(partition) if partition else EMPTY
            selector = selector and check_version(selector)
            return Revision(None, None, None, check_name(name), part, selector, (), None, None)
        except RefSyntax:
            pass  # told again below, with its place in the text
    if isinstance(text, str) and text.startswith("flyte://"):
        from cas.refs.uri import parse_uri

        return parse_uri(text)
    from cas.refs.parsing import parse_slowly

    return parse_slowly(text)


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
    """The partition of a text that _PLAIN matched: nothing in it is encoded or too long. Raises RefSyntax."""
    time = None
    keys = {}
    items = text.split(",")
    for item in items:
        key, _, value = item.partition("=")
        if not value:
            raise RefSyntax("not plain")
        if key == "time":
            time = check_time(value)
        else:
            keys[check_key(key)] = value
    if len(keys) + (time is not None) != len(items) or len(keys) > MAX_KEYS:
        raise RefSyntax("not plain")
    pairs = tuple(keys.items())
    return Partition(tuple(sorted(pairs)) if len(pairs) > 1 else pairs, time)


def _format_mod(mod: Mod) -> str:
    if isinstance(mod, Back):
        return "~" if mod.steps == 1 else f"~{mod.steps}"
    if isinstance(mod, Input):
        return "^" if mod.number == 1 else f"^{mod.number}"
    if isinstance(mod, Was):
        return f"@{{{mod.moves}}}"
    from cas.clock import to_iso

    return f"@{{{to_iso(mod.time)}}}"
