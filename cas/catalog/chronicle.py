"""All publications of one name, oldest first: for who must miss none of them.

It is what :class:`cas.refs.history.History` says of each partition, found in one query: only partitions of which
something was deleted are asked one by one.
"""

from __future__ import annotations

import sqlite3

from cas.catalog.refs import RefQueries, Row
from cas.refs.history import History
from cas.refs.names import Name

__all__ = ["publications"]

_EVERY = """
SELECT ref.partition, v.version, v.literal, v.artifact, v.span, v.stamp, v.writing, v.ref,
       EXISTS (SELECT 1 FROM tomb WHERE tomb.ref = v.ref)
FROM log JOIN name ON name.log = log.id JOIN ref ON ref.name = name.id JOIN version AS v ON v.ref = ref.id
WHERE log.project = ? AND log.domain = ? AND name.name = ? AND (?4 IS NULL OR ref.partition = ?4)
ORDER BY v.stamp DESC, v.writing DESC
"""


def publications(
    connection: sqlite3.Connection, refs: RefQueries, name: Name, partition: str | None = None
) -> list[Row]:
    """Every version of a name (of an exact partition, where its text is given) that is not deleted, oldest first.

    Neighbours with the same literal count once: the newest of them.
    """
    found: list[Row] = []
    after: dict[int, bytes] = {}
    left: dict[int, frozenset[str]] = {}
    for text, version, literal, artifact, span, stamp, write, ref, tombs in connection.execute(
        _EVERY, (*name, partition)
    ):
        if tombs:
            if ref not in left:
                left[ref] = frozenset(entry.write for entry in History(refs.entries(ref)).versions)
            if write not in left[ref]:
                continue
        elif after.get(ref) == literal:
            continue
        after[ref] = literal
        found.append(Row(*name, text, version, literal, artifact, span, stamp, write, ref))
    found.reverse()
    return found
