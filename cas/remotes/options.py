"""Settings of a remote beside its URL: which there are, and what each may be.

They live in the configuration of the user's own repository, never in what a remote sends. None is a
credential: those come only from the chain of the library that talks to the store.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from cas.errors import UsageError

__all__ = ["OPTIONS", "check_options", "flag", "seconds"]

_NETWORK = {"timeout": "seconds that one request may take (300)"}
_CLIENT = {"client": "auto, obstore or fsspec: the library that talks to the store (auto: obstore where installed)"}

OPTIONS: Mapping[str, Mapping[str, str]] = {
    "file": {},
    "memory": {},
    "s3": {
        "endpoint_url": "where the service is, for stores other than Amazon's",
        "region": "the bucket's region",
        "profile": "a profile of the AWS configuration files",
        "addressing": "path or virtual: where the bucket's name stands in requests",
        "anonymous": "true to send no credentials",
        **_CLIENT,
        **_NETWORK,
    },
    "gs": {
        "endpoint_url": "where the service is, for an emulator",
        "anonymous": "true to send no credentials",
        **_CLIENT,
        **_NETWORK,
    },
    "az": {
        "account_name": "the storage account",
        "endpoint_url": "where the blob service is, for other clouds and emulators",
        "anonymous": "true to send no credentials",
        **_CLIENT,
        **_NETWORK,
    },
    "sftp": {
        "identity_file": "path of a private key",
        "known_hosts": "path of a file of host keys",
        **_NETWORK,
    },
    "http": {**_NETWORK},
    "https": {**_NETWORK},
}

_SECRET = re.compile(r"(?i)secret|password|passwd|token|credential|(^|_)key($|_)|access_key|account_key|sas")
_CHOICES = {"client": ("auto", "obstore", "fsspec"), "addressing": ("path", "virtual")}


def check_options(scheme: str, options: Mapping[str, str]) -> dict[str, str]:
    """The options, checked for one protocol. Raises UsageError; its message never repeats a secret's value."""
    known = OPTIONS[scheme]
    for name, value in options.items():
        if name not in known:
            raise UsageError(_unknown(scheme, name), hint=_known(scheme))
        _check_value(name, value)
    return dict(options)


def flag(options: Mapping[str, str], name: str) -> bool:
    """Whether a yes-or-no option is set."""
    return options.get(name, "false") == "true"


def seconds(options: Mapping[str, str]) -> float:
    """How long one request may take."""
    return float(options.get("timeout", "300"))


def _unknown(scheme: str, name: str) -> str:
    if _SECRET.search(name):
        return f"{name!r} looks like a credential; cas keeps none, the store's own library finds it (docs/remotes)"
    return f"{scheme}:// remotes have no option {name!r}"


def _known(scheme: str) -> str:
    known = OPTIONS[scheme]
    return f"options: {', '.join(known)}" if known else f"{scheme} remotes have no options"


def _check_value(name: str, value: str) -> None:
    if not value:
        raise UsageError(f"option {name!r} is empty", hint="leave it away for the store's own default")
    if name in _CHOICES and value not in _CHOICES[name]:
        raise UsageError(f"option {name!r} is one of {', '.join(_CHOICES[name])}")
    if name == "anonymous" and value not in {"true", "false"}:
        raise UsageError("option 'anonymous' is true or false")
    if name == "timeout" and not (re.fullmatch(r"[0-9]{1,5}(\.[0-9]+)?", value) and float(value) > 0):
        raise UsageError("option 'timeout' is a number of seconds")
    if name == "endpoint_url":
        _check_endpoint(value)


def _check_endpoint(value: str) -> None:
    try:
        parts = urlsplit(value)
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname)
        sound = sound and not (parts.username or parts.password or parts.query or parts.fragment)
    except ValueError:
        sound = False
    if not sound:
        raise UsageError("option 'endpoint_url' is http(s)://host[:port][/path], without credentials or query")
