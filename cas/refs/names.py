"""Which texts may name something: projects, domains, names, keys, versions, aliases, remotes.

One rule for all (docs/format.md, Names), so that a ref reads the same in a shell, a URL, a TOML file
and a directory on any system. ``ride_scores``, ``Fahrzeit-Zürich`` and ``v1.2`` pass; ``a:b``, ``..``,
``CON``, ``x.lock`` and a decomposed ``é`` do not.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from cas.errors import InvalidRefName

__all__ = [
    "MAX_BYTES",
    "MAX_KEYS",
    "RESERVED_KEYS",
    "Name",
    "check_alias",
    "check_declared_keys",
    "check_domain",
    "check_key",
    "check_name",
    "check_project",
    "check_remote",
    "check_version",
    "collision_key",
    "looks_like_id",
    "shown",
]

MAX_BYTES = 128
MAX_KEYS = 10
# Words that calls and queries use as arguments of their own beside the keys.
RESERVED_KEYS = frozenset(
    ("time", "time_partition", "project", "domain", "name", "version", "partitions", "strict", "metadata")
)

_HINT = "use letters, digits, '_', '-' and '.'"
_DEVICES = r"(?i:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])"
# Nearly every name: taken without looking further. Anything else, or that begins like a device, gets the full rules.
_PLAIN = re.compile(r"[A-Za-z0-9_]+(?:[.+-][A-Za-z0-9_]+)*")
_DEVICE_STARTS = frozenset(("con", "prn", "aux", "nul", "com", "lpt"))
# Patterns that few texts meet are left for re to compile when one does: start-up is quicker by a millisecond.
_DEVICE = rf"{_DEVICES} *(?:\.|\Z)"
_FORBIDDEN = r"[\\:~@/#^,=%*?\[{\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]"
_FORBIDDEN_DIRECTORY = r'[<>"|]'
_ID = r"[0-9a-fA-F]{6,64}"


class Name(NamedTuple):
    """A name in full: ``project/domain/name``."""

    project: str
    domain: str
    name: str


def check_name(text: str) -> str:
    """The text, if it may be a name. Raises InvalidRefName."""
    return _check(text, "name")


def check_version(text: str) -> str:
    """The text, if it may be a version. Raises InvalidRefName."""
    return _check(text, "version")


@lru_cache(maxsize=1024)
def check_key(text: str) -> str:
    """The text, if it may be a partition key (or ``time``). Raises InvalidRefName."""
    return _check(text, "key")


def check_remote(text: str) -> str:
    """The text, if it may name a remote: it is a directory's name too. Raises InvalidRefName."""
    return _check_directory(text, "remote")


@lru_cache(maxsize=256)
def check_project(text: str) -> str:
    """The text, if it may be a project: a directory's name too, and not ``remotes``. Raises InvalidRefName."""
    _check_directory(text, "project")
    if text.casefold() == "remotes":
        raise InvalidRefName("'remotes' cannot be a project: its directory keeps the logs of remotes", text=text)
    return text


@lru_cache(maxsize=256)
def check_domain(text: str) -> str:
    """The text, if it may be a domain: a directory's name too. Raises InvalidRefName."""
    return _check_directory(text, "domain")


def check_alias(text: str) -> str:
    """The text, if it may be an alias: one that could be an id is refused too. Raises InvalidRefName."""
    _check(text, "alias")
    if looks_like_id(text):
        raise InvalidRefName(
            f"{shown(text)} cannot be an alias: 6 to 64 hex digits read as an id", text=text, hint="add another letter"
        )
    return text


def check_declared_keys(keys: tuple[str, ...]) -> tuple[str, ...]:
    """The partition keys of a declaration: at most 10, all different, none reserved. Raises InvalidRefName."""
    if len(keys) > MAX_KEYS:
        raise InvalidRefName(f"{len(keys)} partition keys: a name has at most {MAX_KEYS}", text=",".join(keys))
    for key in keys:
        check_key(key)
        if key in RESERVED_KEYS:
            raise InvalidRefName(f"{shown(key)} cannot be a partition key: the word is reserved", text=key)
    if len(set(keys)) != len(keys):
        raise InvalidRefName(f"a partition key is given twice: {', '.join(keys)}", text=",".join(keys))
    return keys


def collision_key(name: str) -> str:
    """What two names share that differ only by case or Unicode normalisation (``A`` and ``a``)."""
    if name.isascii():
        return name.lower()
    from unicodedata import normalize

    return normalize("NFC", normalize("NFD", name).casefold())


def looks_like_id(text: str) -> bool:
    """Whether a text could be an id or the prefix of one: 6 to 64 hex digits."""
    return re.fullmatch(_ID, text) is not None


def shown(text: object) -> str:
    """A text in quotes as errors show it: escaped, and cut when it is long."""
    quoted = repr(text)
    return quoted if len(quoted) <= 80 else f"{quoted[:76]}…{quoted[-1]}"


def _check(text: str, what: str) -> str:
    if (
        isinstance(text, str)
        and len(text) <= MAX_BYTES
        and _PLAIN.fullmatch(text)
        and text[:3].lower() not in _DEVICE_STARTS
        and text[-5:].lower() != ".lock"
    ):
        return text
    fault = _fault(text)
    if fault is None:
        return text
    cause, position = fault
    raise InvalidRefName(f"{shown(text)} cannot be {_a(what)}: {cause}", text=str(text), position=position, hint=_HINT)


def _check_directory(text: str, what: str) -> str:
    _check(text, what)
    found = re.search(_FORBIDDEN_DIRECTORY, text)
    if found or text[0] == ".":
        position = found.start() if found else 0
        cause = f"{text[position]!r} is not allowed {'in' if found else 'at the start of'} a directory's name"
        raise InvalidRefName(f"{shown(text)} cannot be {_a(what)}: {cause}", text=text, position=position, hint=_HINT)
    return text


def _a(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _fault(text: object) -> tuple[str, int] | None:
    """Why a text may not be a name, and where; None if it may."""
    if not isinstance(text, str):
        return f"it is {type(text).__name__}, not text", 0
    if not text:
        return "it is empty", 0
    found = re.search(_FORBIDDEN, text)
    if found:
        return f"{found[0]!r} is not allowed", found.start()
    if len(text.encode()) > MAX_BYTES:
        return f"it is longer than {MAX_BYTES} bytes", 0
    if ".." in text:
        return "'..' is not allowed", text.index("..")
    if text[0] in "- ":
        return f"it begins with {text[0]!r}", 0
    if text[-1] in ". ":
        return f"it ends with {text[-1]!r}", len(text) - 1
    if re.match(_DEVICE, text):
        return "it is the name of a device on Windows", 0
    if text[-5:].lower() == ".lock":
        return "it ends with '.lock'", len(text) - 5
    return None if text.isascii() else _unicode_fault(text)


def _unicode_fault(text: str) -> tuple[str, int] | None:
    from unicodedata import category, is_normalized

    if not is_normalized("NFC", text):
        return "it is not in Unicode's composed form (NFC)", 0
    for position, character in enumerate(text):
        if category(character) in ("Cf", "Zl", "Zp", "Cc", "Cs"):
            return f"the invisible {character!r} is not allowed", position
    if text[0].isspace() or text[-1].isspace():
        return "it begins or ends with a space", 0
    return None
