"""What went wrong, read off the exceptions of many client libraries without importing any of them.

The libraries wrap each other, so the chain of causes is looked at from the outside in: of each the name of its
class, then its HTTP status, then its errno. A status of 400 says nothing by itself.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from enum import Enum

__all__ = ["RETRIED", "UNCERTAIN", "Fault", "fault_of", "reason"]


class Fault(Enum):
    """Kinds of failure, by what the caller does next."""

    MISSING = "not there"
    EXISTS = "exists already"
    REFUSED = "credentials are missing or refused"
    UNREACHABLE = "cannot be reached"
    BUSY = "busy; nothing was done"
    BROKEN = "failed on the way; it may have been done"
    RANGE = "the range lies past the end"
    FULL = "no space left"
    PROTOCOL = "answered what no correct store would"
    OTHER = "failed"


RETRIED = frozenset({Fault.UNREACHABLE, Fault.BUSY, Fault.BROKEN})
"""Failures that trying again may mend."""

UNCERTAIN = frozenset({Fault.BROKEN})
"""Failures after which a write may have been done all the same."""

_STATUS = {
    401: Fault.REFUSED,
    403: Fault.REFUSED,
    404: Fault.MISSING,
    407: Fault.REFUSED,
    408: Fault.BROKEN,
    409: Fault.BUSY,
    410: Fault.MISSING,
    412: Fault.EXISTS,
    416: Fault.RANGE,
    425: Fault.BUSY,
    429: Fault.BUSY,
    503: Fault.BUSY,
    507: Fault.FULL,
}

_NAMES = {
    Fault.EXISTS: "AlreadyExistsError PreconditionError SFTPFileAlreadyExists ResourceExistsError",
    Fault.MISSING: "SFTPNoSuchFile SFTPNoSuchPath ResourceNotFoundError",
    Fault.REFUSED: (
        "NoCredentialsError PartialCredentialsError ProfileNotFound CredentialRetrievalError TokenRetrievalError "
        "SSOError UnauthorizedSSOTokenError DefaultCredentialsError RefreshError ClientAuthenticationError "
        "CredentialUnavailableError UnauthenticatedError PermissionDeniedError PermissionDenied SFTPPermissionDenied "
        "HostKeyNotVerifiable KeyImportError KeyEncryptionError"
    ),
    Fault.UNREACHABLE: (
        "EndpointConnectionError ConnectTimeoutError ClientConnectorError ConnectionTimeoutError "
        "ServiceRequestError gaierror ConnectionRefusedError"
    ),
    Fault.FULL: "SFTPNoSpaceOnFilesystem SFTPQuotaExceeded",
    Fault.BROKEN: (
        "ConnectionError TimeoutError FSTimeoutError HTTPClientError ClientPayloadError ServerDisconnectedError "
        "ClientOSError ClientConnectionError IncompleteReadError IncompleteRead ResponseStreamingError "
        "ConnectionClosedError ReadTimeoutError ServiceResponseError ConnectionLost SFTPConnectionLost "
        "SFTPNoConnection DisconnectError ChannelOpenError ChecksumError ProxyError ChunkedEncodingError TransportError"
    ),
    Fault.PROTOCOL: "SFTPBadMessage ResponseParserError ContentTypeError InvalidURL TooManyRedirects ProtocolError",
}
_BY_NAME = {name: fault for fault, names in _NAMES.items() for name in names.split()}

_BUILTIN: tuple[tuple[type[BaseException], Fault], ...] = (
    (FileExistsError, Fault.EXISTS),
    (FileNotFoundError, Fault.MISSING),
    (PermissionError, Fault.REFUSED),
    (EOFError, Fault.BROKEN),
)
_ERRNO = {
    errno.ENOSPC: Fault.FULL,
    errno.EDQUOT: Fault.FULL,
    errno.ENETUNREACH: Fault.UNREACHABLE,
    errno.EHOSTUNREACH: Fault.UNREACHABLE,
    errno.ECONNREFUSED: Fault.UNREACHABLE,
}


def fault_of(error: BaseException) -> Fault:
    """The kind of failure that an exception of any client library stands for."""
    for link in _chain(error):
        fault = _named(link) or _by_status(link) or _by_errno(link)
        if fault is not None:
            return fault
    return Fault.OTHER


def reason(error: BaseException) -> str:
    """The error in one short line, with the status where there is one."""
    status = next(filter(None, map(_status, _chain(error))), None)
    text = " ".join(str(error).split()) or type(error).__name__
    text = text if len(text) <= 300 else text[:297] + "..."
    return f"HTTP {status}: {text}" if status and str(status) not in text else text


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    for _ in range(8):
        if link is None:
            return
        yield link
        link = link.__cause__ or link.__context__


def _status(error: BaseException) -> int | None:
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore
        found = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:  # aiohttp, azure, gcsfs
        found = next((value for value in (getattr(error, name, None) for name in ("status", "status_code", "code"))
                      if value is not None), None)  # fmt: skip
    if isinstance(found, str) and found.isdigit():
        found = int(found)
    return found if isinstance(found, int) and 400 <= found <= 599 else None


def _named(error: BaseException) -> Fault | None:
    for kind in type(error).__mro__:
        fault = _BY_NAME.get(kind.__name__)
        if fault is not None:
            return fault
    if isinstance(error, OSError) and str(error).startswith("Forbidden:"):  # all that gcsfs keeps of a 403
        return Fault.REFUSED
    return next((fault for builtin, fault in _BUILTIN if isinstance(error, builtin)), None)


def _by_status(error: BaseException) -> Fault | None:
    status = _status(error)
    if status is None:
        return None
    return _STATUS.get(status, Fault.BROKEN if status >= 500 else None)


def _by_errno(error: BaseException) -> Fault | None:
    return _ERRNO.get(error.errno or 0) if isinstance(error, OSError) else None
