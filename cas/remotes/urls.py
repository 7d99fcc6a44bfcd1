"""URLs of remotes: parsed and checked in one place, and made safe to print.

A URL holds a protocol, a place and a path, nothing else: credentials come from the client library's own
chain, and settings such as ``endpoint_url`` from the remote's options (``options.py``), both never from a
repository's bytes. For example ``s3://bucket/team/store`` is ``Location("s3", "bucket", None, None, "team/store")``.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

from cas.errors import UnsupportedRemote

__all__ = ["SCHEMES", "Location", "parse", "redact"]

SCHEMES = ("file", "memory", "s3", "gs", "az", "sftp", "http", "https")

_BUCKETS = frozenset({"s3", "gs", "az", "memory"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BUCKET = re.compile(r"[A-Za-z0-9$][A-Za-z0-9._-]{0,221}", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})|\[[0-9A-Fa-f:.]+\]", re.ASCII)
_DRIVE = re.compile(r"[A-Za-z]:[\\/]", re.ASCII)
_SECRETS = re.compile(
    r"(?i)(?<![A-Za-z])((?:account_?key|shared_?access_?(?:key|signature)|secret(?:_access)?_?key|sig|signature|x-amz-signature"
    r"|x-amz-credential|x-goog-signature|password|passwd|token|authorization)\s*[=:]\s*)(?:bearer\s+|basic\s+)?[^\s&;,'\"<>]+"
)
_USERINFO = re.compile(r"(://)\S*@")
_QUERY = re.compile(r"(://[^\s?#'\"]*)([?#])[^\s'\"]*")


class Location(NamedTuple):
    """Where a remote is. ``host`` is the bucket or container of a store; ``path`` has no slash at its end."""

    scheme: str
    host: str
    port: int | None
    user: str | None
    path: str

    @property
    def url(self) -> str:
        """The one text of this place; it holds no secret and parses to the same location."""
        if self.scheme == "file":
            return self.path
        if self.scheme in _BUCKETS:
            return f"{self.scheme}://{self.host}" + (f"/{self.path}" if self.path else "")
        path = quote(self.path, safe="/~%") if self.scheme == "sftp" else self.path
        return f"{self.scheme}://{self.authority}{path}"

    @property
    def authority(self) -> str:
        """``user@host:port``, each where given."""
        user = f"{self.user}@" if self.user else ""
        return f"{user}{self.host}" + (f":{self.port}" if self.port else "")

    def full(self, name: str) -> str:
        """A file's path in the store: ``path/name``."""
        return f"{self.path}/{name}" if self.path else name


def parse(text: str) -> Location:
    """The location that a URL or a directory's path names.

    Raises UnsupportedRemote for chained (``::``) and unknown protocols, credentials, queries and paths that climb;
    the message never repeats a credential.
    """
    if not text or text != text.strip() or _CONTROL.search(text):
        raise UnsupportedRemote(f"not a remote's URL: {redact(text)!r}", hint=_hint())
    if "::" in text.partition("://")[0] or ("://" in text and "::" in _outside_brackets(text)):
        raise UnsupportedRemote(f"chained protocols are not opened: {redact(text)!r}", hint=_hint())
    scheme, separator, rest = text.partition("://")
    if not separator or "/" in scheme:
        return _directory(text)
    scheme = scheme.lower()
    if scheme not in SCHEMES:
        raise UnsupportedRemote(f"unknown protocol {redact(scheme)!r} in {redact(text)!r}", hint=_hint())
    if scheme == "file":
        return _file(text, rest)
    _check_plain(text, rest)
    return _bucket(text, scheme, rest) if scheme in _BUCKETS else _server(text, scheme)


def redact(text: str) -> str:
    """The text without what may be a secret: user information and queries of URLs, keys, tokens and signatures."""
    return _SECRETS.sub(r"\1***", _QUERY.sub(r"\1\2***", _USERINFO.sub(r"\1***@", text)))


def _hint() -> str:
    return "use a directory's path, or " + ", ".join(f"{scheme}://" for scheme in SCHEMES)


def _outside_brackets(text: str) -> str:
    return re.sub(r"\[[0-9A-Fa-f:.]*\]", "", text)


def _directory(text: str) -> Location:
    if ":" in text.partition("/")[0] and not _DRIVE.match(text):
        raise UnsupportedRemote(
            f"{redact(text)!r} is neither a URL nor clearly a path",
            hint="write sftp://host/path for a server, or ./name for a directory",
        )
    return Location("file", "", None, None, text)


def _file(text: str, rest: str) -> Location:
    host, slash, path = rest.partition("/")
    if host not in {"", "localhost"} or not slash:
        raise UnsupportedRemote(f"a file URL names no host: {redact(text)!r}", hint="write file:///directory")
    path = unquote(path)
    if "\0" in path:
        raise UnsupportedRemote(f"not a path: {redact(text)!r}")
    return Location("file", "", None, None, path if _DRIVE.match(path) else f"/{path}")


def _check_plain(text: str, rest: str) -> None:
    if "@" in rest.partition("/")[0] and not text.lower().startswith("sftp://"):
        raise UnsupportedRemote(
            f"credentials in a URL are refused: {redact(text)!r}",
            hint="leave them to the store's own configuration (docs/remotes)",
        )
    if "?" in rest or "#" in rest:
        raise UnsupportedRemote(
            f"a remote's URL has no query or fragment: {redact(text)!r}", hint="give settings as the remote's options"
        )
    if _SECRETS.search(unquote(rest)):
        raise UnsupportedRemote(
            f"what looks like a credential in a URL is refused: {text.partition(':')[0]}://***",
            hint="leave it to the store's own configuration (docs/remotes)",
        )


def _bucket(text: str, scheme: str, rest: str) -> Location:
    host, _, path = rest.partition("/")
    if not _BUCKET.fullmatch(host):
        raise UnsupportedRemote(f"no bucket or container is named in {redact(text)!r}", hint=f"{scheme}://NAME/path")
    return Location(scheme, host, None, None, _checked_path(text, path))


def _server(text: str, scheme: str) -> Location:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise UnsupportedRemote(f"not a URL: {redact(text)!r}") from error
    if parts.password is not None:
        raise UnsupportedRemote(f"credentials in a URL are refused: {redact(text)!r}", hint="use an SSH key")
    if parts.netloc.endswith(":"):
        # user:/secret@host is such a text: what stands for the path may be meant as a password.
        raise UnsupportedRemote(f"no port after ':' in {redact(text)!r}", hint=f"{scheme}://HOST/path")
    host = f"[{host}]" if ":" in host else host
    if not _HOST.fullmatch(host) or port == 0:
        raise UnsupportedRemote(f"no host is named in {redact(text)!r}", hint=f"{scheme}://HOST/path")
    user = unquote(parts.username) if parts.username else None
    if user is not None and not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._@+-]*", user, re.ASCII):
        raise UnsupportedRemote(f"not a user's name in {redact(text)!r}")
    path = parts.path
    if scheme == "sftp":
        path = unquote(path)
    path = _checked_path(text, path.lstrip("/"))
    return Location(scheme, host, port, user, f"/{path}" if path or scheme == "sftp" else "")


def _checked_path(text: str, path: str) -> str:
    path = path.rstrip("/")
    segments = path.split("/") if path else []
    if any(unquote(segment) in {"", ".", ".."} for segment in segments) or "\0" in unquote(path) or "\\" in path:
        raise UnsupportedRemote(f"the path of {redact(text)!r} has an empty, '.' or '..' part")
    return path
