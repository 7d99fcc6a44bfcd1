"""Stores at URLs, one file a protocol. A new one is a file with ``open_store`` and a line in ``_OPENERS``."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import cast

from cas.errors import AuthError, CasError, UnsupportedRemote
from cas.remotes.faults import reason
from cas.remotes.options import check_options
from cas.remotes.urls import parse, redact
from cas.storage.contract import RemoteStore, UploadingStore

__all__ = ["check_writable", "open_readable", "open_writable"]

_NO_OPTIONS: Mapping[str, str] = MappingProxyType({})
# Whatever else a library raises before it has asked anything is about what it was told.
_OURS = (CasError, TypeError, AttributeError, NameError, ImportError)
_READ_ONLY = frozenset({"http", "https"})
_OPENERS = {
    "file": "directory",
    "memory": "memory",
    "s3": "s3",
    "gs": "gs",
    "az": "az",
    "sftp": "sftp",
    "http": "http",
    "https": "http",
}


def open_readable(url: str, options: Mapping[str, str] = _NO_OPTIONS) -> RemoteStore:
    """The store at a URL, to read; nothing is asked of it yet.

    Raises UnsupportedRemote for a URL that cas does not open or whose library is missing, UsageError for options,
    AuthError where the library cannot use what it finds in the environment and in its own files.
    """
    location = parse(url)
    checked = check_options(location.scheme, options)
    module = importlib.import_module(f"cas.remotes.backends.{_OPENERS[location.scheme]}")
    try:
        return cast("RemoteStore", module.open_store(location, checked))
    except _OURS:
        raise
    except Exception as error:
        raise AuthError(
            f"{location.url}: its settings or credentials cannot be used: {redact(reason(error))}",
            hint="look at the options and at what the store's own library reads (docs/remotes)",
        ) from error


def open_writable(url: str, options: Mapping[str, str] = _NO_OPTIONS) -> UploadingStore:
    """The store at a URL, to read and write. Raises UnsupportedRemote also for a read-only protocol."""
    check_writable(url)
    return cast("UploadingStore", open_readable(url, options))


def check_writable(url: str) -> None:
    """Raises UnsupportedRemote for a read-only protocol."""
    location = parse(url)
    if location.scheme in _READ_ONLY:
        raise UnsupportedRemote(
            f"{location.url} can only be read", hint="push to the directory or bucket that the server shows"
        )
