"""Triggers on versions that arrive by pull, and watchers that die at every step of a launch."""

import functools
import os
import signal
from pathlib import Path
from typing import Annotated

import cas
from cas.flows import Artifact, Inputs, LaunchPlan, OnArtifact, launches, pending, run_triggers, workflow
from cas.repository import init, open_repository

RIDES = Artifact(name="rides", partition_keys=["region"])
MODEL = Artifact(name="model", partition_keys=["region"])
RAN: list[int] = []


@workflow
def train(region: str, data: int) -> Annotated[int, MODEL(region=Inputs.region)]:
    RAN.append(data)
    return 10 * data


PLAN = LaunchPlan.create(
    "train", train, trigger=OnArtifact(RIDES, inputs={"region": RIDES.partitions.region, "data": RIDES})
)


def test_versions_that_are_pulled_trigger_once(tmp_path: Path):
    publisher = init(_made(tmp_path / "publisher"))
    publisher.put(1, "rides@region=ZRH")
    consumer = init(_made(tmp_path / "consumer"))
    consumer.remotes.add("origin", str(tmp_path / "publisher"))
    RAN.clear()
    with consumer:
        assert run_triggers([PLAN]) == []
        consumer.pull()
        assert [one.result for one in run_triggers([PLAN])] == [10]
        # Stamped before the launch, and here only after it.
        publisher.put(2, "rides@region=BSL")
        publisher.put(3, "rides@region=ZRH")
        assert run_triggers([PLAN]) == []
        consumer.pull()
        assert [version.get() for version in pending(PLAN)] == [2, 3]
        assert [one.result for one in run_triggers([PLAN])] == [20, 30]
        consumer.pull()
        assert run_triggers([PLAN]) == []
        assert RAN == [1, 2, 3]
        assert [one["status"] for one in launches(PLAN)] == ["ok"] * 3
    with publisher:
        # What was launched there is known here, once it has come back.
        publisher.remotes.add("consumer", str(tmp_path / "consumer"))
        publisher.pull("consumer")
        assert run_triggers([PLAN]) == []
        assert publisher.get("model@region=ZRH") == 30
    publisher.close()
    consumer.close()


def test_both_sides_launched_the_same(tmp_path: Path):
    one, other = init(_made(tmp_path / "one")), init(_made(tmp_path / "other"))
    one.put(1, "rides@region=ZRH")
    other.remotes.add("one", str(tmp_path / "one"))
    other.pull()
    for repo in (one, other):
        with repo:
            assert len(run_triggers([PLAN])) == 1
    other.pull()
    with other:
        assert run_triggers([PLAN]) == []
        assert len(launches(PLAN)) >= 1
        assert cas.get("model@region=ZRH") == 10
    one.close()
    other.close()


def test_a_watcher_that_dies_at_every_step_publishes_each_launch_once(tmp_path: Path):
    init(tmp_path).close()
    ran = tmp_path / "ran"

    @workflow
    def noted(region: str, data: int) -> Annotated[int, MODEL(region=Inputs.region)]:
        with ran.open("a") as file:
            file.write(f"{data}\n")
        return 10 * data

    plan = LaunchPlan.create("noted", noted, trigger=PLAN.trigger)
    step, killed = 0, True
    while killed:
        step += 1
        repo = open_repository(tmp_path)
        repo.put(step, f"rides@region=R{step}")
        repo.close()
        child = os.fork()
        if child == 0:
            _die_at(step)
            with open_repository(tmp_path) as repo:
                run_triggers([plan])
                repo.close()
            os._exit(0)
        killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
        with open_repository(tmp_path) as repo:
            run_triggers([plan])
            assert run_triggers([plan]) == []
            assert repo.get(f"model@region=R{step}") == 10 * step
            assert len(repo.log(f"model@region=R{step}")) == 1
            repo.close()
    assert step > 10
    # Nothing is missed; what a death cut short before it was published may have run twice, and was published once.
    assert set(map(int, ran.read_text().split())) == set(range(1, step + 1))
    with open_repository(tmp_path) as repo:
        assert len(launches(plan)) == step
        assert repo.fsck().ok
        repo.close()


def _made(path: Path) -> Path:
    path.mkdir()
    return path


def _die_at(step: int) -> None:
    seen = 0

    def counting(real, *arguments, **options):
        nonlocal seen
        seen += 1
        if seen == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **options)

    for name in ("fsync", "write", "writev", "rename", "link", "unlink"):
        setattr(os, name, functools.partial(counting, getattr(os, name)))
