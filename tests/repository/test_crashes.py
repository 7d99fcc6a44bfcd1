"""Dying at any moment: nothing acknowledged is lost, nothing half-done is seen, what a span logged stays readable."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

import cas
from cas.errors import NotFound, StorageError, StorageFull
from cas.repository import bulk

KILLED = ("fsync", "write", "writev", "rename", "link", "unlink", "ftruncate", "fchmod")


def dies_at(step: int, work: Callable[[], None]) -> bool:
    """Run ``work`` in a child that is killed at its ``step``-th call that changes a file; whether it was killed."""
    child = os.fork()
    if child == 0:
        seen = 0
        for name in KILLED:
            real = getattr(os, name)

            def counting(*arguments: object, _real: Callable[..., object] = real, **options: object) -> object:
                nonlocal seen
                seen += 1
                if seen == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                return _real(*arguments, **options)

            setattr(os, name, counting)
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, f"the work failed at step {step}"
    return os.WIFSIGNALED(status)


def acknowledged(path: Path) -> set[str]:
    """What the dead process had said was done."""
    return set(path.read_text().split()) if path.exists() else set()


def test_put_killed_at_every_step(tmp_path: Path) -> None:
    cas.init(tmp_path / "r").close()
    said = tmp_path / "said"

    def work() -> None:
        repository = cas.open(tmp_path / "r")
        for number in range(3):
            repository.put({"run": step, "n": number, "pad": "x" * 1000}, f"n@run={step},n={number}")
            with said.open("a") as stream:
                stream.write(f"n@run={step},n={number}\n")
        repository.put_many([(number, f"m@run={step},n={number}") for number in range(3)])
        repository.close()

    step = 1
    while dies_at(step, work):
        repository = cas.open(tmp_path / "r")
        for ref in acknowledged(said):
            assert repository.get(ref)["pad"] == "x" * 1000
        there = len(repository.find("m", partitions={"run": str(step)})) if "m" in known(repository) else 0
        assert there in (0, 3)
        repository.put(step, "alive")
        assert repository.fsck().ok
        repository.close()
        step += 1
    assert step > 15


def test_a_large_batch_killed_at_every_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its objects become durable in another thread while its segment is put together: still in that order."""
    monkeypatch.setattr(bulk, "ENOUGH", 3)
    cas.init(tmp_path / "r").close()

    def work() -> None:
        repository = cas.open(tmp_path / "r")
        repository.put_many([({"n": number, "run": step}, f"m{step}-{number}") for number in range(3)])
        (tmp_path / "said").write_text(str(step))
        repository.close()

    step = 1
    while dies_at(step, work):
        repository = cas.open(tmp_path / "r")
        there = [number for number in range(3) if f"m{step}-{number}" in known(repository)]
        assert there in ([], [0, 1, 2])
        assert there or not (tmp_path / "said").exists()
        assert [repository.get(f"m{step}-{number}") for number in there] == [
            {"n": number, "run": step} for number in there
        ]
        repository.put(step, "alive")
        assert repository.fsck().ok
        repository.close()
        step += 1
    assert step > 5


@pytest.mark.parametrize("failing", ["fsync", "write", "link"])
def test_an_error_of_the_disk_fails_a_large_batch_whole(
    repository: cas.Repository, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def full(*arguments: object, **options: object) -> object:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bulk, "ENOUGH", 3)
    with monkeypatch.context() as patch:
        patch.setattr(os, failing, full)
        with pytest.raises((StorageFull, StorageError)):
            repository.put_many([(number, f"m-{number}") for number in range(3)])
    assert known(repository) == set()
    repository.put_many([(number, f"m-{number}") for number in range(3)])
    assert repository.get("m-2") == 2
    assert repository.fsck().ok


def known(repository: cas.Repository) -> set[str]:
    return {info.name for info in repository.names()}


def test_a_span_killed_at_every_step(tmp_path: Path) -> None:
    cas.init(tmp_path / "r").close()
    said = tmp_path / "said"

    def work() -> None:
        repository = cas.open(tmp_path / "r")
        with repository.span(f"run {step}") as span:
            span.log("first", "a")
            with said.open("w") as stream:
                stream.write(span.id)
            with repository.span("child") as child:
                child.log("below", "c")
            repository.put(step, f"out@step={step}")
            repository.put("x", f"more@step={step}")
        said.with_suffix(".done").write_text(str(step))

    step = 1
    while dies_at(step, work):
        repository = cas.open(tmp_path / "r")
        for name in acknowledged(said):  # who only reads is told, too
            assert repository.span_info(name).status in ("abandoned", "ok")
            assert {one.status for one in repository.spans()} <= {"abandoned", "ok"}
        repository.put(step, "alive")  # a writer settles what the dead one left
        for name in acknowledged(said):
            info = repository.span_info(name)
            assert info.status in ("abandoned", "ok")
            assert repository.get(f"%{info.id}//a") == "first"
        outs = [name for name in ("out", "more") if name in known(repository)]
        there = [name for name in outs if repository.find(name, partitions={"step": str(step)})]
        assert there in ([], ["more", "out"], ["out", "more"])
        if said.with_suffix(".done").exists():
            done = said.with_suffix(".done").read_text()
            assert repository.get(f"out@step={done}") == int(done)
        assert repository.spans(status="open") == []
        assert repository.fsck().ok
        repository.close()
        said.unlink(missing_ok=True)
        step += 1
    assert step > 10


def test_a_publication_cut_short_is_finished_exactly_once(tmp_path: Path) -> None:
    """Killed between the closing record and the segment: the next writer publishes exactly what was meant."""
    cas.init(tmp_path).close()
    child = os.fork()
    if child == 0:
        repository = cas.open(tmp_path)
        log = repository.log_of("default", "main")
        log.append = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign,assignment,return-value]
        with repository.span("cut"):
            repository.put("made", "out@k=1")
            repository.put("made", "out@k=2")
        os._exit(0)
    os.waitpid(child, 0)
    reader = cas.open(tmp_path)
    with pytest.raises(NotFound):
        reader.resolve("out")
    for _ in range(2):
        writer = cas.open(tmp_path)
        writer.put(1, "alive")
        writer.close()
    assert reader.get("out@k=1") == reader.get("out@k=2") == "made"
    (span,) = reader.spans(label="cut")
    assert span.status == "ok"
    assert reader.producer("out@k=1") == span
    assert len(reader.log("out")) == 2
    assert reader.fsck().ok
    reader.close()


def test_what_an_abandoned_span_made_before_its_pack_was_sealed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cas.repository.session._ROLL", 100_000)
    cas.init(tmp_path).close()
    child = os.fork()
    if child == 0:
        repository = cas.open(tmp_path)
        span = repository.span("long").__enter__()
        span.log(os.urandom(150_000), "early")
        with repository.span("short") as short:
            short.log("from the short one", "note")
        span.log("then", "late")
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    repository = cas.open(tmp_path)
    repository.put(1, "alive")
    (info,) = repository.spans(label="long")
    assert info.status == "abandoned"
    assert [one.label for one in repository.outputs(info.id)] == ["early", "late"]
    (short,) = repository.spans(label="short")
    assert (short.parent, short.status) == (info.id, "ok")
    repository.close()


@pytest.mark.parametrize("failing", ["fsync", "write", "link", "rename"])
def test_an_error_of_the_disk_is_typed_and_publishes_nothing(
    repository: cas.Repository, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    repository.put("before", "before")

    def full(*arguments: object, **options: object) -> object:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, failing, full)
        if failing == "rename":
            patch.setattr(Path, "rename", full)  # Python 3.10 took os.rename when pathlib was imported
        with pytest.raises((StorageFull, StorageError)):
            repository.put("during", "during")
            repository.close()
    again = cas.open(repository.root)
    assert again.get("before") == "before"
    again.put("after", "after")
    assert again.get("after") == "after"
    assert again.fsck().ok
    again.close()
