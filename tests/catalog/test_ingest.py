"""Many entries at once make the same tables as one after the other."""

from __future__ import annotations

import random
import sqlite3

import pytest

from cas.catalog.ingest import Ingest
from cas.catalog.schema import SCHEMA
from cas.refs.entries import DeleteEntry, VersionEntry
from cas.refs.partitions import Partition

_REFS = (
    "SELECT name.name, partition, version.writing, ref.stamp FROM ref JOIN name ON name.id = ref.name"
    " LEFT JOIN version ON version.id = ref.tip ORDER BY 1, 2"
)
_PARTS = "SELECT name.name, key, value, part.stamp FROM part JOIN name ON name.id = part.name ORDER BY 1, 2, 3, 4"
_VERSIONS = "SELECT writing, version, literal, artifact, span, stamp FROM version ORDER BY 1"


def tables(*batches):
    database = sqlite3.connect(":memory:", isolation_level=None)
    database.executescript(SCHEMA)
    for batch in batches:
        Ingest(database, 1).add(batch)
    found = [database.execute(sql).fetchall() for sql in (_REFS, _PARTS, _VERSIONS)]
    database.close()
    return found


def version(name: str, partition: str, stamp: int, write: str) -> VersionEntry:
    return VersionEntry(name, Partition.parse(partition), f"v{stamp}", "1" * 64, "2" * 64, None, stamp, write)


def entries(count: int, seed: int) -> list[VersionEntry]:
    draw = random.Random(seed)
    return [
        version(f"n{draw.randrange(80)}", draw.choice(["", "a=1", "a=2,b=x"]), draw.randrange(500), f"{number:032x}")
        for number in range(count)
    ]


@pytest.mark.parametrize("seed", range(3))
def test_many_at_once(seed):
    made = entries(600, seed)
    assert len(tables(made)[2]) == 600
    assert tables(made) == tables(*([one] for one in made)) == tables(made[:300], made[300:]) == tables(made, made)


def test_a_write_id_that_comes_twice_counts_once():
    """The later one says nothing, so its ref has no version."""
    made = [version(f"n{number}", "a=1", number, f"{number:032x}") for number in range(400)]
    made[300] = made[300]._replace(write=made[7].write)
    refs, parts, versions = tables(made)
    assert (len(refs), len(parts), len(versions)) == (400, 399, 399)
    assert [row for row in refs if row[2] is None] == [("n300", "a=1", None, None)]
    assert (refs, parts, versions) == tuple(tables(*([one] for one in made)))


def test_deletes_among_them():
    made = entries(500, 7)
    gone = [
        DeleteEntry(one.name, one.partition, one.version, None, 1000, f"{number:031x}d")
        for number, one in enumerate(made[:50])
    ]
    assert tables([*made, *gone]) == tables(*([one] for one in [*made, *gone])) == tables(made, gone)
