"""Resolving with 100,000 refs in an open repository, and what a long history costs."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from statistics import median

from measure import Figure, Settings, against, compare, fresh, in_turn, noted, seconds, timed

import cas


def run(settings: Settings) -> Iterator[Figure]:
    yield from many_refs(settings.room / "wide", settings.scaled(100_000, 5_000))
    yield from long_history(settings.room, settings.scaled(5_000, 300))


def many_refs(home: Path, count: int) -> Iterator[Figure]:
    draw = random.Random(4)
    with closing(cas.init(fresh(home))) as repo:
        repo.put_many([(index, f"item@n={index:06d}") for index in range(count)])
        first = timed(lambda: repo.resolve("item@n=000000"))
        yield noted(f"the first resolve after {count:,} puts (the catalog takes them in)", seconds(first))
        own = [f"item@n={index:06d}#{repo.resolve(f'item@n={index:06d}').version}" for index in range(500)]
        repo.put_many([(index, f"item@n={index:06d}#v1") for index in range(count)])
        repo.resolve("item@n=000000")
        for how, refs in (
            ("exact", [f"item@n={draw.randrange(count):06d}" for _ in range(5_000)]),
            ("by version", own),
            ("by a version that all have", [f"item@n={index:06d}#v1" for index in range(500)]),
        ):
            taken = median(timed(lambda ref=ref: repo.resolve(ref)) for ref in refs)
            yield against(f"resolve among {count:,} refs, {how}, median", taken, 100e-6, seconds)


def long_history(room: Path, count: int) -> Iterator[Figure]:
    """One name, one put for each version: the last 50 of many, in turn with versions 5 to 54 of a new repository."""
    with closing(cas.init(fresh(room / "long"))) as long, closing(cas.init(fresh(room / "short"))) as short:
        for index in range(count - 50):
            long.put({"n": index}, "history")
        for index in range(4):
            short.put({"n": index}, "history")
        values = itertools.count(count)
        puts = in_turn(lambda: put(short, next(values)), lambda: put(long, next(values)), 50)
        reads = in_turn(lambda: resolve(short), lambda: resolve(long), 50)
        by_name = in_turn(lambda: resolve(short, oldest(short)), lambda: resolve(long, oldest(long)), 50)
        back = in_turn(lambda: resolve(short, "history~3"), lambda: resolve(long, "history~3"), 50)
    what = f"version {count:,} of one name"
    yield compare(f"put {what}", "versions 5-54 of another", puts, 1.25)
    yield compare(f"resolve {what}", "versions 5-54 of another", reads, 1.25)
    yield compare(f"resolve the first of {count:,} by its name", "the first of 54", by_name, 1.25)
    yield compare(f"resolve three steps back from {what}", "versions 5-54 of another", back, 1.25)


def put(repo: cas.Repository, number: int) -> float:
    return timed(lambda: repo.put({"n": number}, "history"))


@cache
def oldest(repo: cas.Repository) -> str:
    return f"history#{repo.log('history')[-1].version}"


def resolve(repo: cas.Repository, ref: str = "history") -> float:
    return median(timed(lambda: repo.resolve(ref)) for _ in range(5))
