"""A declaration goes into the log with the first version, in the same segment, or not at all."""

import functools
import os
import signal
import warnings
from pathlib import Path
from typing import Annotated

import pytest

from cas.errors import PartitionError
from cas.flows import Artifact, Inputs, OpenPartitionWarning, map_task, task, workflow
from cas.repository import init, open_repository

RIDES = Artifact[int](name="rides", partition_keys=["region", "kind"], time_partitioned=True)


@task
def count(region: str) -> Annotated[int, RIDES(region=Inputs.region)]:
    if region == "nowhere":
        raise ValueError(region)
    return len(region)


def segments(repo):
    return len(list((repo.root / "refs" / "default" / "main").glob("*.toml")))


@pytest.fixture(autouse=True)
def _open_keys():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OpenPartitionWarning)
        yield


def declared(repo):
    info = repo.declaration("rides")
    return None if info is None else (info.keys, info.granularity, info.type)


WHOLE = (("region", "kind"), "day", "int")


def test_the_first_version_declares_its_name_in_one_segment(repo):
    count("ZRH")
    assert segments(repo) == 1
    assert declared(repo) == WHOLE
    count("BSL")
    assert segments(repo) == 2
    assert (repo.root / "refs/default/main/00000000000000000002.toml").read_text().count("[[declare]]") == 0


def test_a_run_that_fails_declares_nothing(repo):
    @workflow
    def both() -> None:
        with repo.span("held", atomic=True):
            count("ZRH")
            count("nowhere")

    with pytest.raises(ValueError, match="nowhere"):
        both()
    assert declared(repo) is None
    assert repo.names() == []


def test_mapped_runs_declare_once(repo):
    map_task(count)(region=[f"R{n}" for n in range(5)])
    assert segments(repo) == 1
    text = (repo.root / "refs/default/main/00000000000000000001.toml").read_text()
    assert (text.count("[[declare]]"), text.count("[[version]]")) == (1, 5)
    assert declared(repo) == WHOLE


def test_a_name_that_was_put_without_partitions_is_declared_then(repo):
    repo.put(1, "plain")
    plain = Artifact[int](name="plain")

    @task
    def make() -> Annotated[int, plain]:
        return 2

    make()
    assert repo.declaration("plain").type == "int"


def test_two_declarations_of_one_name_in_one_run(repo):
    other = Artifact(name="rides", partition_keys=["colour"])

    @task
    def wrong() -> Annotated[int, other(colour="red")]:
        return 1

    @workflow
    def both() -> None:
        with repo.span("held", atomic=True):
            count("ZRH")
            wrong()

    with pytest.raises(PartitionError, match=r"first published with the partition keys \['region', 'kind'\]"):
        both()
    assert repo.names() == []


def test_puts_in_the_same_span_fit_what_is_declared_there(repo):
    @workflow
    def both() -> None:
        with repo.span("held", atomic=True):
            count("ZRH")
            repo.put(1, "rides@colour=red")

    with pytest.raises(PartitionError, match="asked for \\['colour'\\]"):
        both()


def test_a_process_that_dies_declares_whole_or_not_at_all(tmp_path: Path):
    killed, step, seen = True, 1, set()
    while killed:
        home = tmp_path / str(step)
        home.mkdir()
        init(home).close()
        child = os.fork()
        if child == 0:
            _die_at(step)
            with open_repository(home) as repo:
                count("ZRH")
            os._exit(0)
        killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
        repo = open_repository(home)
        repo.put(step, "recovered")  # a writer finishes what dead ones began
        there = repo.log("rides") if declared(repo) else []
        assert (declared(repo), len(there)) in ((None, 0), (WHOLE, 1))
        seen.add((declared(repo), killed))
        repo.close()
        step += 1
    assert seen >= {(None, True), (WHOLE, True), (WHOLE, False)}


def _die_at(step: int) -> None:
    seen = 0

    def counting(real, *arguments, **options):
        nonlocal seen
        seen += 1
        if seen == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **options)

    for name in ("fsync", "write", "writev", "rename", "link"):
        setattr(os, name, functools.partial(counting, getattr(os, name)))
