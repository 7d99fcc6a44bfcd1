"""What a remote's refs stand at now, without keeping anything of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from cas.catalog.catalog import Catalog
from cas.errors import ObjectNotFound
from cas.objects.ids import Kind, ObjectId
from cas.refs.history import History
from cas.refs.log import RefLog, list_logs
from cas.refs.names import Name
from cas.refs.partitions import EMPTY, Partition
from cas.refs.store import LogStore
from cas.remotes.backends import open_readable
from cas.remotes.sides import Scope, inner, read_home

__all__ = ["tips_there"]


def tips_there(
    url: str, options: Mapping[str, str], check_config: Callable[[str, str], Scope]
) -> list[tuple[str, str]]:
    """``(artifact id, ref)`` of the newest version of every partition and of every alias, sorted by ref.

    Names outside the remote's own default project and domain are written in full. Raises the remote errors.
    """
    store = inner(open_readable(url, options), lambda place: open_readable(place, options))
    readable = cast("LogStore", store)  # only its reading half is used
    catalog = Catalog(None, url, _nothing)
    try:
        home = read_home(store, url, check_config)
        for scope in list_logs(readable) if store.listable else [home]:
            catalog.catch_up(RefLog(readable, *scope))
        return sorted(_tips(catalog, home), key=lambda pair: pair[1])
    finally:
        catalog.close()
        store.close()


def _nothing(ident: ObjectId, _kind: Kind) -> bytes:
    raise ObjectNotFound(f"no object {ident.hex()} here")


def _tips(catalog: Catalog, home: Scope) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name in catalog.refs.names():
        written = name.name if (name.project, name.domain) == home else "/".join(name)
        for row in list(catalog.refs.tips(Name(*name), EMPTY)):
            partition = Partition.parse(row.partition)
            ref = f"{written}@{partition.text}" if partition.text else written
            found.append((row.artifact.hex(), ref))
            history = History(catalog.refs.entries(row.ref))
            for alias, heads in history.aliases.items():
                for version in sorted({head.version for head in heads}):
                    entry = next((one for one in reversed(history.live) if one.version == version), None)
                    if entry is not None:
                        found.append((entry.artifact, f"{ref}#{alias}"))
    return found
