"""Resolving with 100,000 refs in an open repository, and what a long history costs."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from measure import Figure, Settings, against, compare, fresh, seconds, timed

import cas


def run(settings: Settings) -> Iterator[Figure]:
    yield from many_refs(settings.room / "wide", settings.scaled(100_000, 5_000))
    yield from long_history(settings.room / "long", settings.scaled(5_000, 300))


def many_refs(home: Path, count: int) -> Iterator[Figure]:
    draw = random.Random(4)
    with cas.init(fresh(home)) as repo:
        repo.put_many([(index, f"item@n={index:06d}") for index in range(count)])
        for how, refs in (
            ("exact", [f"item@n={draw.randrange(count):06d}" for _ in range(5_000)]),
            (
                "by alias or version",
                [f"item@n={index:06d}#{repo.resolve(f'item@n={index:06d}').version}" for index in range(500)],
            ),
        ):
            taken = median(timed(lambda ref=ref: repo.resolve(ref)) for ref in refs)
            yield against(f"resolve among {count:,} refs, {how}, median", taken, 100e-6, seconds)


def long_history(home: Path, count: int) -> Iterator[Figure]:
    """One name, one put a version; the last 50 against the 5th to the 55th."""
    puts, reads = [], []
    with cas.init(fresh(home)) as repo:
        for index in range(count):
            puts.append(timed(lambda index=index: repo.put({"n": index}, "history")))
            reads.append(timed(lambda: repo.resolve("history")))
    early, late = slice(4, 54), slice(count - 50, count)
    what = f"version {count:,} of one name"
    yield compare(f"put {what}", "versions 5-54", [(median(puts[early]), median(puts[late]))], 1.25)
    yield compare(f"resolve {what}", "versions 5-54", [(median(reads[early]), median(reads[late]))], 1.25)
