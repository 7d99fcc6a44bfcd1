"""`cas resolve REF` from the shell, against Python starting with the two modules that it cannot do without."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing

from measure import Figure, Settings, cas_command, command, compare, fresh, in_turn

import cas


def run(settings: Settings) -> Iterator[Figure]:
    home = fresh(settings.room / "cas")
    with closing(cas.init(home)) as repo:
        repo.put_many([({"n": index}, f"item@n={index}") for index in range(settings.scaled(1_000, 100))])
    script = cas_command()
    pairs = in_turn(
        lambda: command(sys.executable, "-c", "import click, sqlite3"),
        lambda: command(script, "-C", home, "resolve", "item@n=7"),
        settings.rounds * 7,
    )
    yield compare("cas resolve REF from the shell", 'python -c "import click, sqlite3"', pairs, 1.5)
