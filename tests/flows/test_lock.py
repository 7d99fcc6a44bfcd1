"""Locks: a run repeated with exactly what it resolved the first time."""

import json
from typing import Annotated

import pytest
import tomli

import cas
from cas.errors import NotFound, RefNotFound, SpanNotFound, StorageError, UsageError
from cas.flows import Artifact, Inputs, LaunchPlan, launch, task, workflow
from cas.repository.lockfile import write_toml

RIDES = Artifact(name="rides", partition_keys=["region"])
CLEAN = Artifact(name="clean", partition_keys=["region"])
RATE = Artifact(name="rate")


@task
def clean(region: str, data: int = RIDES.query(region=Inputs.region)) -> Annotated[int, CLEAN(region=Inputs.region)]:
    return data + 1


@workflow
def train(region: str, extra: int | None = RATE.query()) -> list[object]:
    clean(region=region)
    made = cas.get(f"clean@region={region}")
    every = [one.get() for one in RIDES.query(region=["BSL", region]).latest_per_partition()]
    newest = RIDES.query(region=["BSL", region]).get()
    return [made, cas.get("settings"), every, newest, extra]


PLAN = LaunchPlan.create("train", train, fixed_inputs={"region": "ZRH"})


@pytest.fixture
def locked(repo):
    repo.put(10, "rides@region=BSL")
    repo.put(1, "rides@region=ZRH")
    repo.put("first", "settings")
    assert launch(PLAN) == [2, "first", [10, 1], 1, None]
    (root,) = (span for span in repo.spans(label="train") if span.parent is None)
    return repo.lock_of(root.id)


def change(repo):
    repo.put(2, "rides@region=ZRH")
    repo.put("second", "settings")
    repo.put(20, "rides@region=BSL")
    repo.put(5, "rate")


def test_what_a_lock_says(repo, locked):
    rides = repo.resolve("rides@region=ZRH")
    assert locked["cas-lock"] == 1
    assert locked["label"] == "train"
    assert {
        "asked": "rides@region=ZRH", "artifact": rides.id, "literal": rides.literal_id, "ref": rides.ref,
    } in locked["resolutions"]  # fmt: skip
    assert "rides.query(region=['BSL', 'ZRH'])" in {one["asked"] for one in locked["resolutions"]}
    assert locked["made"] == ["clean@region=ZRH"]
    assert json.loads(json.dumps(locked)) == tomli.loads(write_toml(locked)) == locked


def test_it_is_replayed(repo, locked, tmp_path):
    change(repo)
    assert launch(PLAN) == [3, "second", [20, 2], 20, 5]
    assert launch(PLAN, lock=locked) == [2, "first", [10, 1], 1, None]
    for name, text in (("a.json", json.dumps(locked)), ("a.toml", write_toml(locked)), ("b", write_toml(locked))):
        (tmp_path / name).write_text(text)
        assert launch(PLAN, lock=tmp_path / name) == [2, "first", [10, 1], 1, None]
    assert launch(PLAN) == [3, "second", [20, 2], 20, 5]
    assert launch(train, region="ZRH", lock=locked)[0] == 2


def test_searches_are_replayed_too(repo):
    @workflow
    def look() -> list[object]:
        clean("ZRH")
        return [
            [one.get() for one in repo.find("rides")],
            [one.get() for one in repo.find("rides", partitions={"region": "ZRH"})],
            [one.get() for one in repo.search("r*", partitions={"region": ["Z*"]})],
            [one.get() for one in repo.search(RIDES)],
            [one.get() for one in repo.find("clean")],
            RIDES.partition_values("region"),
        ]

    repo.put(10, "rides@region=BSL")
    repo.put(1, "rides@region=ZRH")
    first = look()
    assert first == [[1, 10], [1], [1], [1, 10], [2], ["BSL", "ZRH"]]
    lock = repo.lock_of(repo.spans(label="look")[0])
    change(repo)
    repo.put(30, "rides@region=GVA")
    repo.put(3, "clean@region=GVA")
    # What it makes itself is found, though it is no part of the lock.
    repo.put(0, "clean@region=ZRH")
    assert launch(look, lock=lock) == first
    assert look() != first


def test_a_repository_as_it_was_needs_no_lock(repo):
    @workflow
    def compare() -> list[object]:
        then = repo.at(past)
        with then:
            queried = [RIDES.query(region="ZRH").get(), [one.get() for one in RIDES.latest_per_partition()]]
        return [then.get("rides@region=ZRH"), *queried, [one.get() for one in then.find("rides")], repo.get("rides")]

    repo.put(1, "rides@region=ZRH")
    past = repo.resolve("rides").created
    repo.put(2, "rides@region=ZRH")
    first = compare()
    assert first == [1, 1, [1], [1], 2]
    lock = repo.lock_of(repo.spans(label="compare")[0])
    repo.put(3, "rides@region=ZRH")
    assert launch(compare, lock=lock) == first


def test_a_replayed_run_records_what_it_read(repo, locked):
    change(repo)
    launch(PLAN, lock=locked)
    root = next(span for span in repo.spans(label="train") if span.parent is None)
    again = repo.lock_of(root.id)
    assert sorted(one["artifact"] for one in again["resolutions"]) == sorted(
        one["artifact"] for one in locked["resolutions"]
    )


def test_what_the_lock_lacks_is_an_error_that_names_it(repo, locked):
    locked["resolutions"] = [one for one in locked["resolutions"] if one["asked"] != "settings"]
    with pytest.raises(RefNotFound, match="'settings' is not in the lock of span"):
        launch(PLAN, lock=locked)
    with pytest.raises(RefNotFound, match="'rides@region=BSL' is not in the lock"):
        launch(clean, region="BSL", lock=locked)


def test_what_the_repository_lacks_is_an_error_that_names_it(repo, locked):
    for one in locked["resolutions"]:
        if one["asked"] == "settings":
            one["artifact"] = "0" * 64
    with pytest.raises(RefNotFound, match=r"the lock gives 'settings' as settings#\w+ \(000000000000\), which is not"):
        launch(PLAN, lock=locked)


def test_deleted_versions_are_still_those_of_the_lock(repo, locked):
    change(repo)
    repo.delete("settings")
    assert launch(PLAN, lock=locked)[1] == "first"


def test_what_is_no_lock(repo, tmp_path):
    (tmp_path / "x").write_text("{nonsense")
    for given, error in (
        ({}, UsageError),
        ({"cas-lock": 2, "resolutions": []}, UsageError),
        ({"cas-lock": 1, "resolutions": [{"asked": "x"}]}, UsageError),
        ({"cas-lock": 1, "resolutions": [dict.fromkeys(("asked", "artifact", "literal", "ref"), "x")]}, UsageError),
        (5, UsageError),
        (tmp_path, StorageError),
        (tmp_path / "x", UsageError),
        (tmp_path / "y", NotFound),
    ):
        with pytest.raises(error):
            launch(PLAN, lock=given)
    with pytest.raises(SpanNotFound):
        repo.lock_of("%00000000")


def test_an_input_that_is_called_lock(repo):
    @task
    def door(lock: int) -> int:
        return lock

    assert launch(door, lock=5) == 5


def test_a_thing_that_changed_while_the_run_ran(repo):
    repo.put(1, "x")
    with repo.span("outer") as span:
        first = cas.get("x")
        other = cas.open(repo.root)
        other.put(2, "x")
        other.close()
        assert [first, cas.get("x")] == [1, 2]

    @task
    def again() -> list[int]:
        return [cas.get("x"), cas.get("x"), cas.get("x")]

    assert launch(again, lock=repo.lock_of(span.id)) == [1, 2, 2]
