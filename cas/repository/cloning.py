"""A repository that is being cloned: made with its remote in one step, so that the next attempt can go on.

Until its first pull has ended it is a repository like any other, with nothing in it: what has arrived lies where only a
transfer looks. So it takes no mark of its own to tell that a clone did not end.
"""

from __future__ import annotations

from pathlib import Path

from cas.errors import AuthError, CasError, RemoteError, StorageError, UsageError
from cas.remotes import settings as remote_settings
from cas.remotes.settings import RemoteSettings
from cas.remotes.sides import Remote, Scope
from cas.repository import config
from cas.repository.repository import Repository
from cas.storage.local import LocalStore

__all__ = ["began", "begin", "ended", "may_go_on"]

# What may be otherwise at the next attempt. Of a remote whose content is at fault nothing is kept.
_PASSING = (AuthError, RemoteError, StorageError)


def begin(root: Path, home: Scope, origin: RemoteSettings) -> None:
    """Make a repository's config, with its remote."""
    LocalStore(root).create("config.toml", (config.new(*home) + remote_settings.section_text(origin)).encode())


def began(root: Path, origin: RemoteSettings) -> bool:
    """Whether a clone of just this began in a directory. Raises UsageError where that holds something else."""
    place = root.parent
    if not (root / "config.toml").is_file():
        if any((root / name).exists() for name in ("objects", "refs", "config.toml")):
            raise UsageError(f"{root} holds something that is no repository", hint="clone into another directory")
        return False
    known = remote_settings.known(config.read(str(root)).settings).get(origin.name)
    if known is None or known.url != origin.url:
        raise UsageError(f"{place} holds a repository already", hint="clone into another directory, or: cas pull")
    if known != origin:
        raise UsageError(
            f"{place} holds a clone of {origin.url} already, which leaves out other things",
            hint=f"clone into another directory, or: cas -C {place} pull",
        )
    return True


def ended(remote: Remote) -> bool:
    """Whether a pull of all that the clone takes was ever merged."""
    return bool(remote.state().get("merged"))


def may_go_on(repository: Repository, error: BaseException) -> bool:
    """Whether an attempt that failed leaves something for the next one."""
    if isinstance(error, CasError) and not isinstance(error, _PASSING):
        return False
    incoming = repository.root / "remotes" / "origin" / "incoming"
    return (repository.root / "refs" / "remotes" / "origin").exists() or (incoming.exists() and any(incoming.iterdir()))
