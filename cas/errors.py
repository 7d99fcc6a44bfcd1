"""Every error that cas raises, grouped by what the catcher will do about it.

Each carries a stable ``kind`` (for programs), names the object and the cause in its message, and
may carry a ``hint``: the next command to run. The command line alone maps them to exit codes
(``exit_code``, listed in docs/cli.md).
"""

from __future__ import annotations

__all__ = [
    "AliasConflict",
    "AmbiguousRef",
    "ArtifactError",
    "AuthError",
    "CasError",
    "CodecError",
    "CorruptObject",
    "DeclarationError",
    "FileChanged",
    "HashMismatch",
    "InvalidRefName",
    "LaunchFailed",
    "LimitExceeded",
    "Locked",
    "MigrationError",
    "NoRepository",
    "NotFound",
    "ObjectNotFound",
    "OutcomeUnknown",
    "PackCorrupt",
    "PartialFailure",
    "PartitionError",
    "PathEscape",
    "PublishError",
    "ReadOnly",
    "RefConflict",
    "RefNameCollision",
    "RefNotFound",
    "RefRollback",
    "RefSyntax",
    "RemoteError",
    "RemoteProtocol",
    "SpanError",
    "SpanNotFound",
    "StorageError",
    "StorageFull",
    "StorageUnknown",
    "TypeMismatch",
    "UnknownType",
    "UnsafeRepository",
    "UnsafeSerializer",
    "UnsupportedFormat",
    "UnsupportedRemote",
    "UsageError",
    "VersionConflict",
]


class CasError(Exception):
    """Base of all errors of cas.

    ``kind`` is stable across releases; ``hint`` is the next command or step, or None.
    """

    kind = "error"
    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


# --- the caller wrote something wrong: change the call ------------------------------------------


class UsageError(CasError, ValueError):
    """An argument cannot be used as given."""

    kind = "usage"
    exit_code = 2


class RefSyntax(UsageError):
    """A ref, partition or ref log text that does not follow the grammar.

    ``text`` and ``position`` (0-based) locate the fault; the command line draws a caret there.
    """

    kind = "ref_syntax"

    def __init__(self, message: str, *, text: str = "", position: int = 0, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.text = text
        self.position = position


class InvalidRefName(RefSyntax):
    """A name, version, alias or key that no repository may hold (docs/format.md, Names)."""

    kind = "invalid_ref_name"


class PartitionError(UsageError):
    """A partition key or value that the name's declaration does not allow."""

    kind = "partition"


class DeclarationError(UsageError):
    """An artifact, query, launch plan, model or codec declared in a way that cannot work."""

    kind = "declaration"


class UnknownType(UsageError, TypeError):
    """No codec is registered for a value's type."""

    kind = "unknown_type"


class CodecError(UsageError):
    """A value that its codec cannot encode, or stored bytes it cannot decode."""

    kind = "codec"


class SpanError(UsageError):
    """A span operation that its state does not allow (none is open, label taken, closed)."""

    kind = "span"


class ArtifactError(UsageError):
    """An artifact operation that its state does not allow."""

    kind = "artifact"


class PublishError(UsageError):
    """Outputs that cannot be published as asked; nothing was published."""

    kind = "publish"


class ReadOnly(UsageError):
    """A change to a repository that stands still: one as it was at some time."""

    kind = "read_only"


class UnsafeSerializer(UsageError):
    """Decoding would run code (pickle) and was not allowed by the call and the configuration."""

    kind = "unsafe_serializer"


# --- something is not there ---------------------------------------------------------------------


class NoRepository(CasError):
    """No repository at or above a path."""

    kind = "no_repository"
    exit_code = 10


class NotFound(CasError, LookupError):
    """Something named does not exist."""

    kind = "not_found"
    exit_code = 14


class RefNotFound(NotFound):
    """No version matches a ref. ``suggestions`` are near misses that exist."""

    kind = "ref_not_found"

    def __init__(self, message: str, *, suggestions: tuple[str, ...] = (), hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.suggestions = suggestions


class ObjectNotFound(NotFound):
    """No object has this id (or prefix) in the repository."""

    kind = "object_not_found"


class SpanNotFound(NotFound):
    """No span has this id (or prefix)."""

    kind = "span_not_found"


class AmbiguousRef(CasError):
    """A prefix or ref that matches several things; ``candidates`` lists them."""

    kind = "ambiguous"
    exit_code = 2

    def __init__(self, message: str, *, candidates: tuple[str, ...] = (), hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.candidates = candidates


class StorageUnknown(NotFound):
    """A record names a storage that neither the model's class nor the configuration maps."""

    kind = "storage_unknown"


# --- somebody else was faster, or both moved: look, then decide ----------------------------------


class RefConflict(CasError):
    """A ref moved since it was read, or holds two contents (a stored conflict); ``candidates`` shows both."""

    kind = "ref_conflict"
    exit_code = 13

    def __init__(self, message: str, *, candidates: tuple[str, ...] = (), hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.candidates = candidates


class VersionConflict(RefConflict):
    """A version name that already means another literal."""

    kind = "version_conflict"


class AliasConflict(RefConflict):
    """An alias that is not where the caller expected it, or was moved on two sides."""

    kind = "alias_conflict"


class RefNameCollision(RefConflict):
    """A name that differs from an existing one only by case or Unicode normalisation."""

    kind = "ref_name_collision"


class RefRollback(CasError):
    """A ref log shorter than, different from, or with gaps against the copy kept of it."""

    kind = "ref_rollback"
    exit_code = 15


class Locked(CasError):
    """Another process holds what this needs; try again."""

    kind = "locked"
    exit_code = 11


# --- bytes that are not what they should be: run fsck --------------------------------------------


class CorruptObject(CasError):
    """Stored bytes that are damaged."""

    kind = "corrupt"
    exit_code = 15


class HashMismatch(CorruptObject):
    """Bytes that are not their id."""

    kind = "hash_mismatch"


class TypeMismatch(CorruptObject):
    """An object of another kind than its use needs."""

    kind = "type_mismatch"


class PackCorrupt(CorruptObject):
    """A pack whose structure cannot be trusted."""

    kind = "pack_corrupt"


class LimitExceeded(CorruptObject):
    """Input larger or deeper than any valid one."""

    kind = "limit_exceeded"


class PathEscape(CorruptObject):
    """A tree member that would be written outside its directory."""

    kind = "path_escape"


class UnsupportedFormat(CasError):
    """Written by a newer cas, or needs a feature this one lacks."""

    kind = "unsupported_format"


class MigrationError(CasError):
    """A stored model version that the class cannot take; names both versions."""

    kind = "migration"


# --- the outside world ---------------------------------------------------------------------------


class StorageError(CasError, OSError):
    """The file system or store refused an operation."""

    kind = "storage"


class StorageFull(StorageError):
    """No space, quota or inodes left; nothing was published."""

    kind = "storage_full"


class FileChanged(CasError):
    """A file changed while it was being read; nothing was stored under its name."""

    kind = "file_changed"


class UnsafeRepository(CasError):
    """A repository that another user owns, or with links where files must be."""

    kind = "unsafe_repository"


class AuthError(CasError, PermissionError):
    """Credentials are missing or refused."""

    kind = "auth"
    exit_code = 12


class RemoteError(CasError):
    """A remote failed in a way that trying again may mend."""

    kind = "remote"


class RemoteProtocol(RemoteError):
    """A remote answered what no correct one would."""

    kind = "remote_protocol"


class UnsupportedRemote(RemoteError, ValueError):
    """A URL that cas does not open."""

    kind = "unsupported_remote"
    exit_code = 2


class OutcomeUnknown(RemoteError):
    """A write whose outcome could not be proved; look before trying again."""

    kind = "outcome_unknown"


class LaunchFailed(CasError):
    """Code of the user's raised: a function, whose span says so, or a module as it was imported."""

    kind = "launch_failed"


class PartialFailure(CasError):
    """Some of a batch was done; ``missing`` lists what was not."""

    kind = "partial"
    exit_code = 3

    def __init__(self, message: str, *, missing: tuple[str, ...] = (), hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.missing = missing
