"""What a task call costs, and what 100,000 partitions do. fsync aside: to be quoted from tmpfs (--on /dev/shm)."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import closing
from statistics import median
from typing import Annotated

from measure import Figure, Settings, against, fresh, noted, seconds, timed

import cas
from cas import Artifact, Inputs, map_task, task

MADE = Artifact(name="made", partition_keys=["key"])
PARTS = Artifact(name="parts", partition_keys=["region", "n"])


@task
def quiet(number: int, text: str) -> int:
    """Publishes nothing."""
    return number


@task
def loud(number: int, text: str) -> Annotated[int, MADE(key=Inputs.text)]:
    """Publishes its result."""
    return number * 7919


def run(settings: Settings) -> Iterator[Figure]:
    yield from calls(settings)
    yield from many_published(settings)
    yield from many_there(settings)


def calls(settings: Settings) -> Iterator[Figure]:
    """Calls outside of other tasks, in a repository that is open; the median of several hundred."""
    count = settings.scaled(400, 50)
    with closing(cas.init(fresh(settings.room / "calls"))) as repo, repo:
        loud(0, "a")
        quiet(0, "a")
        plain = _median(lambda n: loud.function(n, "a"), count)
        taken = _median(lambda n: loud(n, f"k{n % 7}"), count)
        yield against("a task with two literal inputs and one published output", taken - plain, 2e-3, seconds)
        taken = _median(lambda n: quiet(n, "a"), count)
        yield against("one that publishes nothing", taken - plain, 200e-6, seconds)
        inside = cas.task(lambda: _median(lambda n: quiet(n, "a"), count))()
        yield noted("the same inside another task (no segment of its own)", seconds(inside))


def many_published(settings: Settings) -> Iterator[Figure]:
    count = settings.scaled(10_000, 500)
    with closing(cas.init(fresh(settings.room / "published"))) as repo, repo:
        before = _segments(repo)
        taken = timed(lambda: repo.put_many([(n, f"made@key=k{n}") for n in range(count)]))
        yield against(f"{count:,} partitions in one transaction", taken, 2, seconds)
        assert _segments(repo) == before + 1
        numbers, texts = list(range(count)), [f"m{n}" for n in range(count)]
        taken = timed(lambda: map_task(loud)(number=numbers, text=texts))
        yield noted(f"a mapped task over {count:,} elements, a span and a partition each", seconds(taken))
        assert _segments(repo) == before + 2


def many_there(settings: Settings) -> Iterator[Figure]:
    count = settings.scaled(100_000, 5_000)
    draw = random.Random(5)
    with closing(cas.init(fresh(settings.room / "there"))) as repo, repo:
        repo.put_many([(n, f"parts@region=r{n % 100},n={n}") for n in range(count)])
        repo.resolve("parts")
        for what, query in (
            ("one key", lambda n: PARTS.query(region=f"r{n % 100}")),
            ("both keys", lambda n: PARTS.query(region=f"r{n % 100}", n=n)),
            ("no key", lambda _: PARTS.query()),
        ):
            taken = _median(lambda _, query=query: query(draw.randrange(count)).latest(), settings.scaled(500, 50))
            yield against(f"a containment query of {what} over {count:,} partitions", taken, 1e-3, seconds)
        taken = _median(lambda _: len(PARTS.latest_per_partition()), 5)
        yield against(f"latest_per_partition over {count:,}", taken, 100e-3, seconds)
        yield noted("partition_values over them", seconds(_median(lambda _: PARTS.partition_values("region"), 5)))
        yield noted("the table of them", seconds(timed(PARTS.table)))
        yield noted("the repository one segment ago", seconds(timed(lambda: repo.at("@{1}"))))


def _median(call: Callable[[int], object], count: int) -> float:
    return median(timed(lambda n=n: call(n)) for n in range(count))


def _segments(repo: cas.Repository) -> int:
    return repo.status().segments
