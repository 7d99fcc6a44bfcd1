"""The demo, told step by step: what is run, what it cost, and the command that shows it."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pandas as pd

import cas
from cas.demo.pipeline import clean, import_raw, load, train
from cas.demo.stage import Stage, size
from cas.errors import UsageError

__all__ = ["correct_february", "play"]

FEBRUARY = "flights_clean@origin=EWR,time=2013-02"


def play(directory: str | Path | None, echo: Callable[[str], object]) -> Path:
    """Play every step in a fresh repository, and leave it for the reader."""
    flights = load()
    home = Path(tempfile.mkdtemp(prefix="cas-demo-") if directory is None else directory).absolute()
    if (home / ".cas").exists():
        raise UsageError(f"{home} already holds a repository", hint="cas demo DIR, with a directory that does not")
    stage = Stage(echo, home)
    stage.say(f"cas demo: the {len(flights):,} flights that left New York City in 2013.")
    stage.title("A repository is a directory: no server, no account")
    stage.say(f"$ cas init {home}")
    with closing(cas.init(home)) as repo:
        _first_run(stage, repo, flights, home)
        _correction(stage, repo, home)
    _look_back(stage)
    with closing(cas.open(home)) as repo:
        _second_run(stage, repo, flights, home)
    stage.title("Verify every stored byte against its id")
    stage.command("fsck")
    stage.say(f"({stage.elapsed()})")
    stage.say(f"\nThe repository stays in {home}. To go on:\n\n$ cd {home}\n$ cas log\n$ cas help")
    return home


def correct_february(flights: pd.DataFrame) -> pd.DataFrame:
    """The demo's correction: say that Newark logged its arrivals of 9 February, a day of snow, an hour late."""
    wrong = (flights["origin"] == "EWR") & (flights["month"] == 2) & (flights["day"] == 9)
    return flights.assign(arr_delay=flights["arr_delay"].where(~wrong, flights["arr_delay"] - 60))


def _first_run(stage: Stage, repo: cas.Repository, flights: pd.DataFrame, home: Path) -> None:
    stage.title("Import: a span keeps the raw table as it came")
    stage.code('with repo.span("import"):\n    repo.put(flights, "flights_raw")')
    raw = import_raw(repo, flights)
    stage.say(f"{size(raw.size)} of columns, {size(stored(repo))} in the repository ({stage.elapsed()})")

    stage.title("Clean: one partition for each airport and month, published all at once or not at all")
    before = stored(repo)
    stage.code(
        'with repo.span("clean"):\n'
        '    flown = repo.get("flights_raw").dropna(subset=["dep_delay", "arr_delay"])\n'
        '    repo.put_many((part, f"flights_clean@origin={origin},time={month}") for …)'
    )
    parts = clean(repo)
    stage.say(f"{len(parts)} partitions, {size(stored(repo) - before)} more ({stage.elapsed()})")

    stage.title("Train: read January to September, publish a model and a folder of reports")
    stage.code(
        'with repo.span("train"):\n'
        '    seen = [part.get() for part in repo.find("flights_clean") if part.time <= "2013-09"]\n'
        '    repo.put(model, "delay_model")\n'
        '    repo.put(folder, "delay_reports")'
    )
    train(repo, home / "reports")
    stage.say(f"({stage.elapsed()})")
    stage.command("ls")
    stage.command("cat", "delay_model")
    stage.command("cat", "delay_reports")


def _correction(stage: Stage, repo: cas.Repository, home: Path) -> None:
    stage.title("Correct one month: clean and train again, and only what differs is new")
    before, known = stored(repo), versions(repo)
    stage.code("    flown = correct_february(flown)  # in clean; the rest stays as it was")
    clean(repo, correct_february)
    train(repo, home / "reports")
    for ref in versions(repo) - known:
        stage.say(f"new version of {ref}")
    stage.say(f"{size(stored(repo) - before)} more ({stage.elapsed()})")


def _look_back(stage: Stage) -> None:
    stage.title("Look back: which versions there were, and which run made what from what")
    stage.command("log", FEBRUARY)
    stage.command("resolve", FEBRUARY)
    stage.command("resolve", f"{FEBRUARY}~1")
    stage.command("lineage", "delay_model")


def _second_run(stage: Stage, repo: cas.Repository, flights: pd.DataFrame, home: Path) -> None:
    stage.title("Do it a second time: the same content costs nothing")
    before, known = stored(repo), versions(repo)
    stage.code('repo.put(flights, "flights_raw")')
    repo.put(flights, "flights_raw")
    stage.say(
        f"{(versions(repo) - known).total()} new versions, {size(stored(repo) - before)} more ({stage.elapsed()})"
    )
    stage.say("and all three steps again, each a run that leaves its record:")
    before = stored(repo)
    import_raw(repo, flights)
    clean(repo, correct_february)
    train(repo, home / "reports")
    stage.say(
        f"{(versions(repo) - known).total()} new versions, {size(stored(repo) - before)} more ({stage.elapsed()})"
    )
    stage.command("span", "list")


def versions(repo: cas.Repository) -> Counter[str]:
    """How many versions each name and partition has."""
    return Counter(version.ref.partition("#")[0] for version in repo.log())


def stored(repo: cas.Repository) -> int:
    """Bytes of all objects and ref logs on disk."""
    kept = (repo.root / "objects", repo.root / "refs")
    return sum(path.stat().st_size for folder in kept for path in folder.rglob("*") if path.is_file())
