"""The store contract over a remote's client: checked lengths, retries, typed errors, proved outcomes.

A backend is a :class:`Client`: a few verbs that call its library and let its exceptions through. What those mean
is decided here and in ``faults.py``, once for all.
"""

from __future__ import annotations

import builtins
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar, cast

from cas.errors import (
    AuthError,
    CasError,
    OutcomeUnknown,
    RemoteError,
    RemoteProtocol,
    StorageError,
    StorageFull,
)
from cas.forking import never_collect
from cas.remotes.faults import RETRIED, UNCERTAIN, Fault, fault_of, reason
from cas.remotes.retry import Retry
from cas.remotes.urls import redact
from cas.storage.contract import FileInfo

__all__ = ["Client", "ReadStore", "Reply", "WriteStore", "WritingClient"]

T = TypeVar("T")
_COMPARED = 8 << 20
_ANSWERED = "look at the server, and at what stands between it and here"


class Reply(NamedTuple):
    """What a read gave: the bytes, and the whole file's size where the answer told it."""

    content: bytes
    size: int | None


class Client(Protocol):
    """What a backend does to read. Safe to use from several threads."""

    url: str
    listable: bool
    errors: tuple[type[Exception], ...]
    """The exceptions of its library; any other is a fault of ours and is let through."""
    attempts: int
    """How often to try in all; less where the library itself tries again."""

    def get(self, name: str, start: int, end: int | None) -> Reply:
        """The bytes from ``start`` up to ``end`` (not with it); None is the file's end."""
        ...

    def info(self, name: str) -> FileInfo | None:
        """The file, or None."""
        ...

    def walk(self, prefix: str, /) -> Iterator[FileInfo]:
        """The files whose name begins with ``prefix``, in any order, never from a cache."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


class WritingClient(Client, Protocol):
    """What a backend does to write."""

    def put_new(self, name: str, content: bytes) -> None:
        """Create the file, durably; an error of Fault.EXISTS when it is there. One atomic step of the store."""
        ...

    def put_new_file(self, name: str, path: Path) -> None:
        """The same from a local file of any size."""
        ...

    def remove(self, name: str) -> None:
        """Delete the file; an error of Fault.MISSING is fine."""
        ...


class _Failure(NamedTuple):
    error: Exception
    fault: Fault


_NEVER = _Failure(RemoteError("no attempt was allowed"), Fault.OTHER)


class ReadStore:
    """A remote that can be read (cas.storage.contract.ReadableStore). Safe to use from several threads."""

    def __init__(self, make: Callable[[], Client], retry: Retry | None = None) -> None:
        self._make = make
        self._process = os.getpid()
        self._client = client = make()
        self._retry = retry
        self.retry = retry or Retry(client.attempts)
        self.listable = client.listable
        self.url = client.url
        self.folders: Callable[[str], builtins.list[str]] | None = None
        """From ``refs/`` to the names of the folders in it, in one request for a thousand; None: it cannot tell."""
        self.list_after: Callable[[str, str], builtins.list[FileInfo]] | None = None
        """As ``list``, but only the names after one; the store is not asked for the others. None: it cannot."""
        self._tell_abilities()

    @property
    def client(self) -> Client:
        """What talks to the store; in a forked child one of its own, since threads and connections are the parent's."""
        if self._process != os.getpid():
            never_collect(self._client)
            self._client, self._process = self._make(), os.getpid()
            self.retry = self._retry or Retry(self._client.attempts)
            self._tell_abilities()
        return self._client

    def _tell_abilities(self) -> None:
        self.folders = self._folders if getattr(self._client, "folders", None) is not None else None
        self.list_after = self._list_after if getattr(self._client, "walk_after", None) is not None else None

    def list(self, prefix: str) -> Iterator[FileInfo]:
        """The files whose name begins with ``prefix``, by name; fresh on every call."""
        if not self.listable and prefix not in getattr(self.client, "indexed", ()):
            raise RemoteError(f"{self.url} cannot be listed", hint="ask for names that are known")
        try:
            found = self._attempt("listing", prefix, lambda: builtins.list(self.client.walk(prefix)))
        except FileNotFoundError as error:
            if not self.listable:
                raise RemoteError(
                    f"{self.url} shows no page of {prefix}, so what it holds cannot be found",
                    hint="let the server list its directories, or use the URL of the bucket or directory behind it",
                ) from error
            raise self._homeless() from error
        return iter(sorted(found))

    def _folders(self, prefix: str) -> builtins.list[str]:
        look: Callable[[str], builtins.list[str]] | None = getattr(self.client, "folders", None)
        found = look or (lambda prefix: [info.name[len(prefix) :].partition("/")[0] for info in self.list(prefix)])
        return self._attempt("listing", prefix, lambda: sorted(set(found(prefix))))

    def _list_after(self, prefix: str, name: str) -> builtins.list[FileInfo]:
        walk: Callable[[str, str], Iterator[FileInfo]] | None = getattr(self.client, "walk_after", None)
        if walk is None:  # a forked child may use another library than its parent
            return [info for info in self.list(prefix) if info.name > name]
        return self._attempt("listing", prefix, lambda: sorted(walk(prefix, name)))

    def made(self, info: FileInfo) -> bool:
        """Whether a file that was listed is for certain one that this store created, so that it need not be read."""
        tell: Callable[[FileInfo], bool] | None = getattr(self.client, "made", None)
        return tell is not None and tell(info)

    def exists(self, name: str) -> bool:
        """Whether the file is there."""
        return self._info(name) is not None

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """The file's bytes from ``offset``, exactly ``length`` of them where given (fewer only at its end).

        Raises FileNotFoundError, RemoteProtocol for an answer of another length, and the other remote errors.
        """
        if length == 0:
            self._present(name)
            return b""
        end = None if length is None else offset + length
        try:
            reply = self._attempt("reading", name, lambda: self.client.get(name, offset, end))
        except _RangeError:
            return self._past_end(name, offset)
        self._check_length(name, offset, length, reply)
        return reply.content

    def close(self) -> None:
        """Let go of connections; the store is not used after it."""
        if self._process == os.getpid():
            self._client.close()

    def _info(self, name: str) -> FileInfo | None:
        return self._attempt("looking for", name, lambda: self.client.info(name))

    def _present(self, name: str) -> FileInfo:
        info = self._info(name)
        if info is None:
            raise FileNotFoundError(f"{self.url}: no file {name}")
        return info

    def _homeless(self) -> RemoteError:
        return RemoteError(f"{self.url}: its bucket does not exist", hint="make it with the store's own tools")

    def _past_end(self, name: str, offset: int) -> bytes:
        size = self._present(name).size
        if offset < size:
            raise RemoteProtocol(f"{self.url}: {name} has {size} bytes, yet refuses a read from {offset}")
        return b""

    def _check_length(self, name: str, offset: int, length: int | None, reply: Reply) -> None:
        got = len(reply.content)
        if length is not None and got == length:
            return
        size = reply.size
        if size is None and length is not None:
            size = self._present(name).size
        if size is None:
            return
        due = max(0, size - offset) if length is None else max(0, min(length, size - offset))
        if got != due:
            raise RemoteProtocol(f"{self.url}: {name}: {due} bytes from {offset} were due, {got} came")

    def _attempt(self, doing: str, name: str, call: Callable[[], T]) -> T:
        """The call's result, tried again where that may help; its failure as a typed error."""
        failure = _NEVER
        for _ in self.retry.rounds():
            outcome = self._once(call)
            if not isinstance(outcome, _Failure):
                return outcome
            failure = outcome
            # Only a write can find that something exists; of anything else it is a conflict that passes.
            if failure.fault not in RETRIED and failure.fault is not Fault.EXISTS:
                break
        raise self._typed(doing, name, *failure) from failure.error

    def _once(self, call: Callable[[], T]) -> T | _Failure:
        try:
            return call()
        except self.client.errors as error:
            return _Failure(error, fault_of(error))

    def _typed(self, doing: str, name: str, error: Exception, fault: Fault) -> Exception:
        if isinstance(error, RemoteProtocol) and not error.message.startswith(self.url):
            return RemoteProtocol(f"{self.url}: {error.message}", hint=error.hint or _ANSWERED)
        if isinstance(error, CasError):
            return error
        if fault is Fault.RANGE:
            return _RangeError()
        if fault is Fault.MISSING:
            return FileNotFoundError(f"{self.url}: no file {name}")
        text = f"{self.url}: {doing} {name or 'its root'}: {redact(reason(error))}"
        if fault is Fault.REFUSED:
            return AuthError(text, hint="docs/remotes names what each store needs")
        if fault is Fault.FULL:
            return StorageFull(text)
        if fault is Fault.PROTOCOL:
            return RemoteProtocol(text, hint=_ANSWERED)
        return RemoteError(text, hint="try again; nothing that was acknowledged is lost" if fault in RETRIED else None)


class WriteStore(ReadStore):
    """A remote that can also be written (cas.storage.contract.UploadingStore)."""

    def __init__(self, make: Callable[[], WritingClient], retry: Retry | None = None) -> None:
        super().__init__(make, retry)

    @property
    def _writing(self) -> WritingClient:
        return cast("WritingClient", self.client)

    def create(self, name: str, content: bytes) -> bool:
        """Create the file if it is absent, durably and atomically; False where another content has the name.

        True too where the very bytes are there: a lost answer of an earlier attempt looks the same. Raises
        OutcomeUnknown when the answer was lost and looking could not prove what happened.
        """
        return self._create(name, lambda: self._writing.put_new(name, content), lambda: self._same(name, content))

    def claim(self, name: str, content: bytes, longest: int) -> bytes | None:
        """:meth:`create`; None where it succeeded, else what stands there, read once, up to a byte over ``longest``."""
        there = b""

        def same() -> bool:
            nonlocal there
            there = self.read(name, 0, longest + 1)
            return there == content

        return None if self._create(name, lambda: self._writing.put_new(name, content), same) else there

    def create_from_file(self, name: str, path: Path) -> bool:
        """:meth:`create` with the content of a local file, which may be larger than memory; StorageError without it."""
        if not path.is_file():
            raise StorageError(f"{path} is not a file that could be sent to {self.url}")
        return self._create(name, lambda: self._writing.put_new_file(name, path), lambda: self._same_file(name, path))

    def delete(self, name: str) -> None:
        """Delete the file; one that is missing is fine."""
        try:
            self._attempt("deleting", name, lambda: self._writing.remove(name))
        except FileNotFoundError:
            return

    def _create(self, name: str, put: Callable[[], None], same: Callable[[], bool]) -> bool:
        uncertain = False
        failure = _NEVER
        for _ in self.retry.rounds():
            outcome = self._once(put)
            if outcome is None:
                return True
            failure = outcome
            if failure.fault is Fault.EXISTS:
                try:
                    return same()
                except FileNotFoundError:  # deleted since, or a conflict with a write that came to nothing
                    continue
            uncertain |= failure.fault in UNCERTAIN
            if failure.fault not in RETRIED:
                break
        if uncertain:
            return self._prove(name, same, failure.error)
        if failure.fault is Fault.MISSING:
            raise self._homeless() from failure.error
        raise self._typed("writing", name, *failure) from failure.error

    def _prove(self, name: str, same: Callable[[], bool], error: Exception) -> bool:
        try:
            return same()
        except (FileNotFoundError, CasError) as problem:
            raise OutcomeUnknown(
                f"{self.url}: the answer to writing {name} was lost ({redact(reason(error))})",
                hint="run the same command again: it looks before it writes",
            ) from problem

    def _same(self, name: str, content: bytes) -> bool:
        return self._present(name).size == len(content) and self.read(name) == content

    def _same_file(self, name: str, path: Path) -> bool:
        size = path.stat().st_size
        if self._present(name).size != size:
            return False
        with path.open("rb") as file:
            return all(
                self.read(name, offset, _COMPARED) == file.read(_COMPARED) for offset in range(0, size, _COMPARED)
            )


class _RangeError(Exception):
    """The store says that a range begins past the end."""
