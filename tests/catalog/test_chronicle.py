"""All publications of a name: what the history of each of its partitions says, whatever happened to it."""

import random
from pathlib import Path

import pytest

from cas.catalog.chronicle import publications
from cas.errors import CasError
from cas.refs.history import History
from cas.refs.names import Name
from cas.repository import Repository, init


def expected(repo: Repository, name: Name) -> list[str]:
    refs = repo.catalog.refs
    found = [entry for number, _ in refs.partitions(name) for entry in History(refs.entries(number)).versions]
    return [entry.write for entry in sorted(found, key=lambda entry: (entry.stamp, entry.write))]


@pytest.mark.parametrize("seed", range(6))
def test_it_is_the_history_of_every_partition(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    with init(tmp_path) as repo:
        for _ in range(60):
            ref = f"x@k={chance.choice('abc')}"
            try:
                if chance.random() < 0.25:
                    repo.delete(chance.choice([ref, f"{ref}#{chance.choice('123')}"]))
                else:
                    number = chance.choice("123")
                    repo.put(number, ref, version=number)
            except CasError:
                pass  # nothing there to delete, or a version that was deleted
            repo.put(chance.random(), "other")
        name = Name(repo.project, repo.domain, "x")
        repo.log()
        found = publications(repo.catalog.database.connection, repo.catalog.refs, name)
        assert [row.write for row in found] == expected(repo, name)
        of_a = publications(repo.catalog.database.connection, repo.catalog.refs, name, "k=a")
        assert of_a == [row for row in found if row.partition == "k=a"]
        assert publications(repo.catalog.database.connection, repo.catalog.refs, name._replace(name="y")) == []
    repo.close()
