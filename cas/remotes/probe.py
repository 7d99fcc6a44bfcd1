"""Whether a store keeps the one promise that several writers rest on: a name is created once."""

from __future__ import annotations

import os
from contextlib import suppress

from cas.errors import CasError, RemoteProtocol
from cas.storage.contract import UploadingStore

__all__ = ["probe"]


def probe(store: UploadingStore) -> None:
    """Create a file, see that a second create fails and that the first content stands, delete it.

    Raises RemoteProtocol, naming the store, where a second create replaces the first (some emulators and
    gateways ignore the condition in silence), and what its operations raise.
    """
    name = f"tmp/probe-{os.urandom(16).hex()}"
    first, second = (os.urandom(32) for _ in range(2))
    try:
        created = store.create(name, first)
        replaced = store.create(name, second)
        found = store.read(name)
    finally:
        # A store may forbid deleting; the file is small and its name is never used again.
        with suppress(CasError):
            store.delete(name)
    if not created or replaced or found != first:
        raise RemoteProtocol(
            f"{store.url} lets a second writer replace a file that exists: writers would lose each other's work",
            hint="use a store with conditional writes, or make this remote's only writer a directory synced to it",
        )
