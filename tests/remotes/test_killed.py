"""Push, pull and clone killed at the calls that change a file: both sides check clean, nothing is half visible, and the
same command run again comes to the same end. Every call by the slow test, some each day by the other."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import cas
from cas.errors import RefNotFound
from cas.refs.log import RefLog, list_logs
from cas.remotes import receiving, sending
from cas.repository.exchange import clone
from cas.storage.local import LocalStore

CALLS = ("fsync", "write", "writev", "rename", "replace", "link", "unlink", "ftruncate", "fchmod", "mkdir")
State = dict[tuple[str, str], tuple[list[str], dict[str, Any], dict[str, dict[str, str]]]]


class Scenario(NamedTuple):
    """``prepare`` makes repositories below a directory, ``work`` is what is killed and run again; every ``stride``-th
    call is where a day's run kills."""

    prepare: Callable[[Path], None]
    work: Callable[[Path], None]
    stride: int


# --- what happens ------------------------------------------------------------------------------------


def ann_has_something(place: Path, *, url: str = "{}") -> None:
    with_closed(cas.init(place / "ann", author="Ann"), lambda ann: ann_works(ann, url.format(place / "hub")))


def ann_works(ann: cas.Repository, url: str) -> None:
    ann.put(random.Random(1).randbytes(400_000), "big")
    ann.put({"n": 1}, "small@k=a")
    ann.put({"n": 2}, "small@k=b", version="named")
    ann.alias("small@k=b#named", "best")
    ann.put("elsewhere", "lab/other/thing")
    with ann.span("run"):
        ann.get("small@k=a")
        ann.put([1, 2, 3], "made")
    ann.remotes.add("origin", url)


def both_went_on(place: Path) -> None:
    """Ann pushed, Ben cloned; since then both have done more, and Ben has pushed his."""
    ann_has_something(place, url="file://{}")
    with_closed(cas.open(place / "ann"), lambda ann: ann.push())
    with_closed(clone(str(place / "hub"), place / "ben", author="Ben")[0], ben_works)
    with_closed(cas.open(place / "ann"), ann_goes_on)


def ben_works(ben: cas.Repository) -> None:
    ben.put({"n": 3}, "small@k=b")
    ben.put(random.Random(2).randbytes(200_000), "bens")
    ben.push()


def ann_goes_on(ann: cas.Repository) -> None:
    ann.put({"n": 4}, "small@k=a")
    ann.put(random.Random(1).randbytes(400_000)[:300_000] + b"changed", "big")
    ann.delete("made")
    ann.put("more", "lab/other/thing")


def ben_has_the_news_to_come(place: Path) -> None:
    both_went_on(place)
    with_closed(cas.open(place / "ann"), lambda ann: ann.push())
    with_closed(cas.open(place / "ben"), lambda ben: ben.put("not pushed", "bens-own"))


def hub_is_full(place: Path) -> None:
    ann_has_something(place)
    with_closed(cas.open(place / "ann"), lambda ann: ann.push())
    ben = cas.init(place / "ben")
    with_closed(ben, lambda ben: ben.remotes.add("origin", f"file://{place / 'hub'}"))


def push(place: Path) -> None:
    with_closed(cas.open(place / "ann"), lambda ann: ann.push(jobs=1))


def pull(place: Path) -> None:
    with_closed(cas.open(place / "ben"), lambda ben: ben.pull(jobs=1))


def fetch_then_pull(place: Path) -> None:
    with_closed(cas.open(place / "ben"), lambda ben: ben.fetch(jobs=1))
    pull(place)


def clone_or_go_on(place: Path) -> None:
    try:
        clone(str(place / "hub"), place / "cat", jobs=1)[0].close()
    except cas.CasError as error:
        if "already" not in str(error):
            raise


def with_closed(repository: cas.Repository, work: Callable[[cas.Repository], object]) -> None:
    try:
        work(repository)
    finally:
        repository.close()


SCENARIOS = {
    "push to an empty directory": Scenario(ann_has_something, push, 12),
    "push after another": Scenario(both_went_on, push, 6),
    "pull into an empty repository": Scenario(hub_is_full, pull, 10),
    "fetch and pull where both went on": Scenario(ben_has_the_news_to_come, fetch_then_pull, 6),
    "clone": Scenario(hub_is_full, clone_or_go_on, 12),
}


# --- killing and looking -----------------------------------------------------------------------------


def dies_at(step: int, work: Callable[[], None]) -> bool:
    """Run ``work`` in a child that is killed at its ``step``-th call that changes a file; whether it was killed.

    Of what it was to write then, the first half is written.
    """
    child = os.fork()
    if child == 0:
        status = 1
        try:
            _arm(step)
            work()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, f"the work failed, not killed at step {step}"
    return os.WIFSIGNALED(status)


def _arm(step: int) -> None:
    seen = 0
    write = os.write

    def armed(name: str, real: Callable[..., object]) -> Callable[..., object]:
        def counting(*arguments: Any, **options: Any) -> object:
            nonlocal seen
            seen += 1
            if seen == step:
                if name.startswith("write"):
                    whole = b"".join(arguments[1]) if name == "writev" else bytes(arguments[1])
                    write(arguments[0], whole[: len(whole) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **options)

        return counting

    for name in CALLS:
        setattr(os, name, armed(name, getattr(os, name)))


def state_of(root: Path) -> State:
    """By log: the write ids of its entries, every live version with its value, and the aliases. It checks clean."""
    repository = cas.open(root)
    try:
        report = repository.fsck()
        assert report.ok, (root, report.problems)
        store = LocalStore(repository.root)
        state: State = {}
        for scope in list_logs(store):
            writes = [entry.write for segment in RefLog(store, *scope).after(0) for entry in segment.entries]
            state[scope] = (sorted(writes), {}, {})
        for one in repository.log():
            _, values, aliases = state[one.project, one.domain]
            try:
                aliases[one.ref] = repository.aliases(one.ref)
            except RefNotFound:
                continue  # deleted: its bytes need not be here
            values[one.ref] = one.get()
        return state
    finally:
        repository.close()


def states(place: Path, room: Path) -> dict[str, State]:
    """Of each repository as it lies there: looked at in a copy, so that whoever goes on finds what was left."""
    shutil.rmtree(room, ignore_errors=True)
    found: dict[str, State] = {}
    for root in place.iterdir():
        if (root / "config.toml").is_file() or (root / ".cas/config.toml").is_file():
            shutil.copytree(root, room / root.name)
            found[root.name] = state_of(room / root.name)
    return found


def sweep(scenario: Scenario, room: Path, steps: Callable[[int], bool]) -> int:
    """Kill at the steps that ``steps`` chooses; how many steps there are."""
    place, kept, copy = room / "place", room / "kept", room / "copy"
    place.mkdir()
    scenario.prepare(place)
    shutil.copytree(place, kept)
    before = states(place, copy)
    scenario.work(place)
    after = states(place, copy)
    assert before != after
    step, killed = 0, True
    while killed:
        step += 1
        if not steps(step):
            continue
        shutil.rmtree(place)
        shutil.copytree(kept, place)
        killed = dies_at(step, lambda: scenario.work(place))
        left = states(place, copy)
        for name, state in left.items():
            for scope, part in state.items():
                assert part in (before.get(name, {}).get(scope), after[name].get(scope)), (step, name, scope)
            if name in before:
                assert before[name].keys() <= state.keys(), (step, name)
        scenario.work(place)
        assert states(place, copy) == after, step
        for part in place.glob("*/.cas/remotes/*/incoming/*"):
            raise AssertionError(f"step {step} left {part}")
    return step


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several packs and requests where there would be one."""
    monkeypatch.setattr(sending, "_PACK", 150_000)
    monkeypatch.setattr(receiving, "_LONGEST", 100_000)
    monkeypatch.setattr(receiving, "_GAP", 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_at_every_call(name: str, tmp_path: Path, small_pieces: None) -> None:
    assert sweep(SCENARIOS[name], tmp_path, lambda _: True) > 20


@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_at_some_calls(name: str, tmp_path: Path, small_pieces: None) -> None:
    """About ten of each, others every day: a failure names its step, and the slow test comes by it."""
    stride = SCENARIOS[name].stride
    offset = int(time.time()) // 86400 % stride
    assert sweep(SCENARIOS[name], tmp_path, lambda step: step % stride == offset) > 20
