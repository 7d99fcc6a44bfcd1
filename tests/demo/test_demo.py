"""The demo runs, tells the truth, and leaves a repository behind."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import pytest

import cas
from cas.demo import load_flights, run
from cas.errors import UsageError


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    said: list[str] = []
    home = run(tmp_path_factory.mktemp("demo") / "flights", said.append)
    return home, said


def test_every_row_of_2013() -> None:
    assert load_flights().shape == (336_776, 19)


def test_thirty_six_partitions_in_one_transaction(played: tuple[Path, list[str]]) -> None:
    with closing(cas.open(played[0])) as repo:
        parts = repo.find("flights_clean")
        assert len(parts) == 36
        assert {part.partitions["origin"] for part in parts} == {"EWR", "JFK", "LGA"}
        assert {part.time for part in parts} == {f"2013-{month:02d}" for month in range(1, 13)}
    segments = sorted((played[0] / ".cas/refs").rglob("*.toml"))
    published = [text for text in map(Path.read_text, segments) if 'name = "flights_clean"' in text]
    assert published[0].count("[[version]]") == 36
    assert [text.count("[[version]]") for text in published[1:]] == [1]


def test_only_what_changed_has_two_versions(played: tuple[Path, list[str]]) -> None:
    with closing(cas.open(played[0])) as repo:
        twice = {
            version.ref.partition("#")[0] for version in repo.log() if len(repo.log(version.ref.partition("#")[0])) > 1
        }
    assert twice == {"flights_clean@origin=EWR,time=2013-02", "delay_model", "delay_reports"}


def test_the_model_leads_back_to_the_raw_table(played: tuple[Path, list[str]]) -> None:
    with closing(cas.open(played[0])) as repo:
        labels = []
        span = repo.producer("delay_model")
        while span is not None:
            labels.append(span.label)
            made = [repo.show(read.artifact) for read in repo.inputs(span.id)]
            span = repo.producer(made[0]) if made else None
    assert labels == ["train", "clean", "import"]


def test_model_and_reports_come_back(played: tuple[Path, list[str]], tmp_path: Path) -> None:
    with closing(cas.open(played[0])) as repo:
        model = repo.get("delay_model")
        assert set(model) == {"intercept", "dep_delay", "distance"}
        assert 0.9 < model["dep_delay"] < 1.1
        repo.get("delay_reports").export(tmp_path / "reports")
    assert sorted(path.name for path in (tmp_path / "reports").iterdir()) == [
        "EWR.svg",
        "JFK.svg",
        "LGA.svg",
        "index.md",
    ]


def test_a_second_run_stores_no_content(played: tuple[Path, list[str]]) -> None:
    said = [line.strip() for line in played[1] if "new versions, " in line]
    assert said[0].startswith("0 new versions, 0 bytes more")
    runs = re.match(r"0 new versions, ([0-9.]+) kB more", said[1])
    assert runs and float(runs[1]) < 20


def test_the_story_names_commands_and_the_place(played: tuple[Path, list[str]]) -> None:
    home, said = played
    assert f"   $ cd {home}" in said
    commands = [line for line in said if re.match(r" +\$ cas ", line)]
    for verb in ("init", "ls", "log", "resolve", "lineage", "fsck"):
        assert any(f"$ cas {verb}" in line for line in commands), verb


def test_the_repository_passes_fsck(played: tuple[Path, list[str]]) -> None:
    with closing(cas.open(played[0])) as repo:
        assert repo.fsck().ok


def test_it_does_not_touch_a_repository_that_is_there(played: tuple[Path, list[str]]) -> None:
    with pytest.raises(UsageError, match="already holds a repository"):
        run(played[0], lambda line: None)
