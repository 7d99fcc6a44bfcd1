"""Triggers: each matching version launches each plan once, whatever dies and whoever else is watching."""

import os
import signal
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import pytest

from cas.errors import DeclarationError, SpanError, UsageError
from cas.flows import (
    Artifact,
    Inputs,
    LaunchPlan,
    OnArtifact,
    launches,
    pending,
    run_triggers,
    task,
    triggered_by,
    triggers,
    watch,
    workflow,
)
from cas.repository import init, open_repository

RIDES = Artifact(name="rides", partition_keys=["region"], time_partitioned=True)
MODEL = Artifact(name="model", partition_keys=["region"])
RAN: list[tuple[str, int]] = []


@workflow
def train(region: str, data: int) -> Annotated[int, MODEL(region=Inputs.region)]:
    RAN.append((region, data))
    if data < 0:
        raise ValueError("negative")
    return 10 * data


INPUTS = {"region": RIDES.partitions.region, "data": RIDES}
PLAN = LaunchPlan.create("train", train, trigger=OnArtifact(RIDES, inputs=INPUTS))
ZRH = LaunchPlan.create("zrh", train, trigger=OnArtifact(RIDES.query(region="ZRH"), inputs=INPUTS))


@pytest.fixture(autouse=True)
def fresh():
    RAN.clear()


def put(repo, value, region="ZRH", day=1):
    return repo.put(value, f"rides@region={region},time=2024-05-{day:02}")


def told(made):
    return [(one.plan, one.trigger.partition("#")[0], one.status, one.result) for one in made]


def test_an_artifact_with_fixed_keys_is_itself_as_an_input(repo):
    zurich = Artifact(name="rides", partitions={"region": "ZRH"}, time_partitioned=True)
    inputs = {"region": "ZRH", "data": zurich}
    plans = [
        LaunchPlan.create("fixed", train, trigger=OnArtifact(zurich, inputs=inputs)),
        LaunchPlan.create("any", train, trigger=OnArtifact(RIDES, inputs=inputs)),
    ]
    put(repo, 1, day=1)
    put(repo, 2, day=2)
    put(repo, 3, "BSL")
    run_triggers(plans)
    # What triggered, where it is the artifact that is meant; else the latest of that.
    assert RAN == [("ZRH", 1), ("ZRH", 2), ("ZRH", 1), ("ZRH", 2), ("ZRH", 2)]


def test_each_version_launches_once(repo):
    put(repo, 1)
    put(repo, 2, "BSL")
    assert told(run_triggers([PLAN])) == [
        ("train", "rides@region=ZRH,time=2024-05-01", "ok", 10),
        ("train", "rides@region=BSL,time=2024-05-01", "ok", 20),
    ]
    assert run_triggers([PLAN]) == []
    put(repo, 3)
    assert [version.get() for version in pending(PLAN)] == [3]
    assert told(run_triggers([PLAN])) == [("train", "rides@region=ZRH,time=2024-05-01", "ok", 30)]
    assert RAN == [("ZRH", 1), ("BSL", 2), ("ZRH", 3)]
    assert repo.resolve("model@region=ZRH").get() == 30


def test_equal_content_and_a_return_to_an_older_version_launch_nothing(repo):
    put(repo, 1)
    put(repo, 2)
    assert len(run_triggers([PLAN])) == 2
    put(repo, 2)
    put(repo, 1)
    assert run_triggers([PLAN]) == []


def test_stated_values_must_match(repo):
    put(repo, 1, "BSL")
    put(repo, 2, "ZRH")
    assert [one.plan for one in run_triggers([PLAN, ZRH])] == ["train", "train", "zrh"]
    assert RAN == [("BSL", 1), ("ZRH", 2), ("ZRH", 2)]


def test_a_launch_says_what_triggered_it(repo):
    version = put(repo, 1)
    run_triggers([PLAN])
    (outer,) = repo.spans(label="train", limit=None)[1:]
    assert outer.metadata == {"kind": "launch", "plan": "train", "trigger": version.ref, "artifact": version.id}
    assert [span.label for span in repo.consumers(version)] == ["train"]
    (inner,) = repo.consumers(version)
    assert triggered_by(inner.id) == triggered_by(outer.id) == repo.triggered_by(inner) == version
    with repo.span("alone") as alone:
        pass
    assert triggered_by(alone.id) is None


def test_what_it_made_and_that_it_ran_is_one_segment(repo):
    put(repo, 1)
    run_triggers([PLAN])
    texts = [path.read_text() for path in sorted((repo.root / "refs" / "default" / "main").glob("*.toml"))]
    (final,) = [text for text in texts if 'name = "model"' in text and "[[version]]" in text]
    assert 'name = "launches"' in final


def test_a_failed_launch_is_recorded_and_not_repeated(repo):
    put(repo, -1)
    put(repo, 2)
    made = run_triggers([PLAN])
    assert [(one.status, one.error) for one in made] == [("failed", "ValueError: negative"), ("ok", None)]
    assert run_triggers([PLAN]) == []
    records = launches(PLAN)
    assert [(one["status"], one["error"]) for one in records] == [("failed", "ValueError: negative"), ("ok", None)]
    assert repo.resolve("model").get() == 20


def test_a_plan_that_exits_is_a_failed_launch_and_stops_no_watcher(repo):
    @task
    def exits(data: int):
        raise SystemExit(3)

    plan = LaunchPlan.create("exits", exits, trigger=OnArtifact(RIDES, inputs={"data": RIDES}))
    put(repo, 1)
    (made,) = run_triggers([plan])
    assert (made.status, made.error) == ("failed", "SystemExit: 3")
    assert run_triggers([plan]) == []


@pytest.mark.parametrize("plans", [PLAN, "train", [train], [3], 5], ids=str)
def test_triggers_are_run_of_plans(repo, plans):
    with pytest.raises(UsageError, match=r"plan"):
        run_triggers(plans)


def test_what_was_launched_survives_reopening(tmp_path):
    with init(tmp_path) as first:
        put(first, 1)
        assert len(run_triggers([PLAN])) == 1
        first.close()
    with open_repository(tmp_path) as second:
        assert run_triggers([PLAN]) == []
        second.close()


def test_moved_times_and_constants(repo):
    seen = []

    @task
    def look(day: date, n: int) -> None:
        seen.append((day.isoformat(), n))

    trigger = OnArtifact(RIDES, inputs={"day": RIDES.time_partition - timedelta(days=1), "n": 5})
    put(repo, 1)
    run_triggers([LaunchPlan.create("look", look, trigger=trigger)])
    assert seen == [("2024-04-30T00:00:00+00:00", 5)]


def test_watching_goes_on_until_it_is_told_to_stop(repo):
    put(repo, 1)
    rounds = iter([False, False, True, True])
    made = []
    for launch in watch([PLAN], interval=0, stop=lambda: next(rounds)):
        made.append(launch.result)
        put(repo, 2)
    assert made[:1] == [10]


def test_watching_an_idle_repository_asks_for_nothing_but_the_end_of_the_log(repo, monkeypatch):
    asked, looks = [], iter(range(20))
    monkeypatch.setattr(triggers, "pending", lambda plan, repo: asked.append(plan.name) or pending(plan, repo))
    put(repo, 1)
    for _ in watch([PLAN], repo, interval=0, stop=lambda: next(looks, None) is None):
        pass
    assert RAN == [("ZRH", 1)]
    assert asked == ["train", "train"]  # before the launch, and after what it published


def test_each_launch_is_told_as_it_ends(repo):
    put(repo, 1)
    put(repo, 2, "BSL")
    watching = watch([PLAN], repo, interval=0)
    assert next(watching).result == 10
    assert RAN == [("ZRH", 1)]
    assert next(watching).result == 20


def test_triggers_do_not_run_inside_spans(repo):
    with repo.span("x"), pytest.raises(SpanError, match="outside of spans"):
        run_triggers([PLAN])


def test_two_plans_of_one_name_are_refused(repo):
    other = LaunchPlan.create("train", train, trigger=OnArtifact(RIDES, inputs=INPUTS))
    with pytest.raises(DeclarationError, match="two plans are called 'train'"):
        run_triggers([PLAN, other])


def test_a_claim_of_another_machine_holds_for_its_lease(repo, monkeypatch):
    put(repo, 1)
    monkeypatch.setattr("cas.flows.triggers.platform.node", lambda: "elsewhere")

    class Dies(BaseException): ...

    def die(*_: object) -> None:
        raise Dies

    monkeypatch.setattr("cas.flows.triggers._run", die)
    with pytest.raises(Dies):
        run_triggers([PLAN])
    monkeypatch.undo()
    assert run_triggers([PLAN]) == []
    assert len(run_triggers([PLAN], lease=timedelta(0))) == 1


WATCHER = """
import sys, time
from pathlib import Path
from typing import Annotated
from cas.flows import Artifact, Inputs, LaunchPlan, OnArtifact, run_triggers, workflow
from cas.repository import open_repository

RIDES = Artifact(name="rides", partition_keys=["region"], time_partitioned=True)
MODEL = Artifact(name="model", partition_keys=["region"])
RAN = Path(sys.argv[2])

@workflow
def train(region: str, data: int) -> Annotated[int, MODEL(region=Inputs.region)]:
    with RAN.open("a") as file:
        file.write(f"{data}\\n")
    time.sleep(float(sys.argv[3]))
    return 10 * data

INPUTS = {"region": RIDES.partitions.region, "data": RIDES}
PLAN = LaunchPlan.create("train", train, trigger=OnArtifact(RIDES, inputs=INPUTS))
repo = open_repository(sys.argv[1])
until = time.monotonic() + float(sys.argv[4])
print("ready", flush=True)
while time.monotonic() < until:
    run_triggers([PLAN], repo)
    time.sleep(0.01)
repo.close()
"""


def start(tmp_path: Path, slow: float, lasting: float) -> "subprocess.Popen[str]":
    script = tmp_path / "watcher.py"
    script.write_text(WATCHER)
    told = [sys.executable, str(script), str(tmp_path), str(tmp_path / "ran"), str(slow), str(lasting)]
    watcher = subprocess.Popen(told, stdout=subprocess.PIPE, text=True)
    assert watcher.stdout is not None
    assert watcher.stdout.readline() == "ready\n"
    return watcher


def ran(tmp_path: Path) -> list[str]:
    path = tmp_path / "ran"
    return path.read_text().split() if path.exists() else []


def test_two_watchers_and_a_publisher_in_processes_of_their_own(tmp_path):
    repo = init(tmp_path)
    watchers = [start(tmp_path, 0.02, 5.0) for _ in range(2)]
    for n in range(1, 11):
        put(repo, n, day=n)
        time.sleep(0.05)
    for watcher in watchers:
        assert watcher.wait(timeout=60) == 0
        watcher.stdout.close()
    assert sorted(map(int, ran(tmp_path))) == list(range(1, 11))
    with repo:
        assert len(launches(PLAN)) == 10
    repo.close()


def test_a_watcher_killed_in_a_launch_neither_misses_nor_doubles_it(tmp_path):
    repo = init(tmp_path)
    put(repo, 7)
    watcher = start(tmp_path, 60.0, 60.0)
    deadline = time.monotonic() + 30
    while not ran(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.01)
    with repo:
        assert run_triggers([PLAN]) == []  # it is running: left alone
        os.kill(watcher.pid, signal.SIGKILL)
        watcher.wait()
        watcher.stdout.close()
        assert [one.result for one in run_triggers([PLAN])] == [70]
        assert run_triggers([PLAN]) == []
        assert [version.get() for version in repo.log("model")] == [70]
        assert {span.status for span in repo.spans(label="train")} == {"ok", "abandoned"}
    repo.close()


def test_watchers_killed_at_any_time_publish_each_launch_once(tmp_path):
    repo = init(tmp_path)
    for n in range(1, 13):
        put(repo, n, f"R{n}")
    for n in range(8):
        watcher = start(tmp_path, 0.005, 60.0)
        time.sleep(0.013 * (n + 1))
        os.kill(watcher.pid, signal.SIGKILL)
        watcher.wait()
        watcher.stdout.close()
    with repo:
        run_triggers([PLAN])
        records = launches(PLAN)
        assert len({record["trigger"] for record in records}) == len(records) == 12
        assert sorted(version.get() for version in repo.log("model")) == [10 * n for n in range(1, 13)]
        assert repo.fsck().ok
    repo.close()
