"""Which library talks to a bucket: obstore where it is installed and can be used, else one of fsspec's.

obstore's threads begin with its first request and do not live on in a forked child, where its requests would wait for
ever. So a child whose parent used obstore takes the other library, or says that it cannot go on.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from cas.errors import UnsupportedRemote
from cas.remotes.backends.loading import installed

__all__ = ["enter_obstore", "takes_obstore"]

_process = 0  # whose threads obstore's are


def takes_obstore(options: Mapping[str, str], scheme: str, other: str, *, lacks: bool = False) -> bool:
    """Whether to use obstore, not the module ``other``; ``lacks`` where it cannot do what the options ask for.

    Raises UnsupportedRemote in a forked child that has neither.
    """
    client = options.get("client", "auto")
    wanted = client == "obstore" or (client == "auto" and installed("obstore") and not lacks)
    if not wanted or _process in (0, os.getpid()):
        return wanted
    if not installed(other):
        raise _forked(f"install the other library too: pip install 'cas-store[{scheme}]'")
    return False


def enter_obstore() -> None:
    """To be called before each request. Raises UnsupportedRemote in a child of the process that made the first one."""
    global _process  # noqa: PLW0603 - obstore's threads are the process's, too
    if not _process:
        _process = os.getpid()
    elif _process != os.getpid():
        raise _forked("open the repository again in the child")


def _forked(hint: str) -> UnsupportedRemote:
    return UnsupportedRemote(
        "obstore was used before this process was forked, and does not work in the child",
        hint=f"start workers with multiprocessing's 'spawn', or {hint}",
    )
