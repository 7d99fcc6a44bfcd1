"""Whether a repository may be believed: whose it is, and whether its directories are real ones."""

from __future__ import annotations

import os

from cas.errors import UnsafeRepository

__all__ = ["check"]


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
