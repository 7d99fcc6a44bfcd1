"""Whether a repository may be believed: whose it is, whether its directories are real ones, what it may run."""

from __future__ import annotations

import os

from cas.errors import UnsafeRepository, UnsafeSerializer

__all__ = ["check", "pickle_refused"]


def check(root: str, *, trust: bool) -> None:
    """Raises UnsafeRepository where another user owns the repository, or where its tmp directory is a link."""
    try:
        owner = os.stat(root).st_uid  # noqa: PTH116 - pathlib is not loaded on the way to an answer
    except FileNotFoundError:
        return
    if not trust and owner not in (os.geteuid(), 0) and os.geteuid() != 0:
        raise UnsafeRepository(
            f"{root} belongs to another user (uid {owner})",
            hint="open it with trust=True, or on the command line: cas --trust …",
        )
    for place in ("tmp", "objects", "refs"):
        if os.path.islink(f"{root}/{place}"):  # noqa: PTH114 - as above
            raise UnsafeRepository(f"{root}/{place} is a symbolic link", hint="make it a directory")


def pickle_refused(root: str) -> UnsafeSerializer:
    """The error for pickle in a repository whose config does not allow it."""
    return UnsafeSerializer(
        "pickle runs code when it is read, and this repository's config does not allow it",
        hint=f"write allow_pickle = true under [serializers] in {root}/config.toml",
    )
