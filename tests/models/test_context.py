"""``span_context``: nesting, exceptions, entering again, threads, tasks and processes."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from multiprocessing import get_context

import pytest

import cas
from cas import aio
from cas.errors import SpanError


@dataclass
class Made(cas.ArtifactModel, version=1):
    x: int


@dataclass
class Awaited(aio.ArtifactModel, version=1):
    x: int


@pytest.fixture
def repo(tmp_path):
    repository = cas.use(tmp_path, create=True)
    with repository:
        yield repository
    repository.close()


def test_leaving_restores_the_span_around_also_after_exceptions(repo):
    with cas.span_context(label="outer") as outer:
        with cas.span_context(label="inner") as inner:
            assert cas.get_current_span_id() == inner.node_id
        assert cas.get_current_span_id() == outer.node_id
        with pytest.raises(ValueError, match="x"), cas.span_context(label="fails"):
            raise ValueError("x")
        assert cas.get_current_span_id() == outer.node_id
    assert cas.get_current_span_id(allow_none=True) is None
    assert [span.status for span in cas.read_child_spans(outer)] == ["ok", "failed"]


def test_a_span_and_a_label_are_too_much(repo):
    with pytest.raises(SpanError, match="not both"):
        cas.span_context(cas.Span(label="a"), label="b")
    with pytest.raises(SpanError, match="takes a Span, not a str"):
        cas.span_context("training")


def test_without_a_label_the_kind_is_the_label(repo):
    with cas.span_context() as span:
        pass
    assert span.label == "Span"


def test_what_a_span_knows(repo):
    span = cas.Span(label="a", metadata={"k": 1})
    assert (span.node_id, span.status, span.opened_at, span.fields) == (None, None, None, {})
    with cas.span_context(span, metadata={"more": 2}) as same:
        assert same is span
        assert (span.status, span.closed_at) == ("open", None)
        assert span.metadata == {"k": 1, "more": 2}
    assert span.status == "ok"
    assert cas.read_span(span.node_id).metadata == {"k": 1, "more": 2}
    assert cas.read_span(span.node_id[:10]) == span
    assert cas.read_span("%" + span.node_id[:10]) == span


def test_entering_a_span_again(repo):
    with cas.span_context(label="twice") as span:
        cas.create_span_artifact("current", label="first", data=Made(1))
    with cas.span_context(span) as again:
        assert again.node_id == span.node_id
        cas.create_span_artifact("current", label="second", data=Made(2))
        assert list(cas.read_span_artifacts("current")) == ["first", "second"]
        with pytest.raises(SpanError, match="already has an artifact labelled 'first'"):
            cas.create_span_artifact("current", label="first", data=Made(3))
        with cas.span_context(label="child"):
            pass
        assert len(cas.read_child_spans("current")) == 1
    with cas.span_context(cas.read_span(span.node_id)):
        cas.create_span_artifact("current", label="third", data=Made(3))
    assert list(cas.read_span_artifacts(span)) == ["first", "second", "third"]
    assert [child.label for child in cas.read_child_spans(span)] == ["child"]
    assert len(repo.spans(cas.Span)) == 2


def test_artifacts_after_the_span(repo):
    with cas.span_context(label="span") as span:
        cas.create_span_artifact("current", label="inside", data=1)
    cas.create_span_artifact(span.node_id, label="after", data=2)
    cas.create_span_artifacts(span, {"more": 3, "still": 4})
    assert cas.read_span_artifacts(span.node_id) == {"inside": 1, "after": 2, "more": 3, "still": 4}
    Made(5).create("by model", span_id=span)
    assert cas.read_span_artifact(span, label="by model") == Made(5)


def test_artifacts_of_another_open_span(repo):
    with cas.span_context(label="outer") as outer, cas.span_context(label="inner"):
        cas.create_span_artifact(outer.node_id, label="from inside", data=1)
        assert cas.read_span_artifacts(outer) == {"from inside": 1}
        assert cas.read_span_artifacts("current") == {}
    assert cas.read_span_artifacts(outer) == {"from inside": 1}


def test_models_created_inside_belong_to_the_span(repo):
    with cas.span_context(label="span") as span:
        artifact = Made(1).create("made")
    (found,) = cas.read_child_artifacts(span)
    assert (found.label, found.id, found.value) == ("made", artifact, Made(1))
    with pytest.raises(LookupError):
        cas.get("made")


def test_threads_keep_the_right_parent(repo):
    def work(number):
        with cas.span_context(label=f"thread{number}"):
            cas.create_span_artifact("current", label="x", data=number)
            return cas.read_parent_span("current")

    with cas.span_context(label="root") as root, ThreadPoolExecutor(8) as pool:
        parents = [
            future.result() for future in [pool.submit(copy_context().run, work, number) for number in range(40)]
        ]
    assert set(parents) == {root}
    assert {span.label for span in cas.read_child_spans(root)} == {f"thread{number}" for number in range(40)}

    box = []
    plain = threading.Thread(target=lambda: box.append(cas.get_current_span_id(allow_none=True)))
    with cas.span_context(label="root"):
        plain.start()
        plain.join()
    assert box == [None]


def _in_child(number):
    with cas.span_context(label=f"process{number}"):
        cas.create_span_artifact("current", label="x", data=number)
    return cas.get_current_span_id()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forked_processes_keep_the_right_parent(repo):
    with cas.span_context(label="root") as root:
        with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
            assert set(pool.map(_in_child, range(6))) == {root.node_id}
        cas.create_span_artifact("current", label="mine", data=0)
    assert {span.label for span in cas.read_child_spans(root)} == {f"process{number}" for number in range(6)}
    assert {one.value for one in cas.read_descendant_artifacts(root)} == set(range(6))


def test_the_plain_context_works_with_async_with_too(repo):
    async def main():
        async with cas.span_context(label="outer") as outer, aio.span_context(label="inner") as inner:
            assert cas.current_span() == inner
            assert type(aio.current_span()) is aio.Span
            assert type(await aio.read_parent_span("current")) is aio.Span
            await aio.current_span().link(1, label="a")
            await inner.link(2, label="b")
        assert await aio.read_span_artifacts(inner.node_id) == {"a": 1, "b": 2}
        assert await aio.read_parent_span(inner.node_id) == outer
        assert aio.current_span(allow_none=True) is None
        assert len((await aio.span_graph(outer)).nodes) == 4
        assert (await aio.plan_delete_span(inner)).spans == [inner.node_id]
        await aio.delete_span(inner.node_id)
        assert await aio.read_child_spans(outer.node_id) == []

    asyncio.run(main())


def test_tasks_keep_the_right_parent_and_a_cancelled_one_closes(repo):
    async def slow():
        async with aio.span_context(label="slow"):
            await asyncio.sleep(60)

    async def fails():
        async with aio.span_context(label="fails"):
            await asyncio.sleep(0.05)
            raise ValueError("no")

    async def main():
        async with aio.span_context(label="root") as root:
            tasks = [asyncio.ensure_future(slow()), asyncio.ensure_future(fails())]
            with pytest.raises(ValueError, match="no"):
                await asyncio.gather(*tasks)
            tasks[0].cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return root

    root = asyncio.run(main())
    found = {span.label: (span.status, span.error["type"]) for span in cas.read_child_spans(root)}
    assert found == {"slow": ("failed", "CancelledError"), "fails": ("failed", "ValueError")}


def test_what_a_closed_span_refuses_leaves_it_as_it_was(repo):
    with cas.span_context(label="done") as span:
        cas.create_span_artifact("current", label="kept", data=1)
    for label, value in (("kept", 2), ("new", object())):
        with pytest.raises(cas.CasError):
            cas.create_span_artifacts(span, {"other": 0, label: value})
    assert cas.read_span_artifacts(span) == {"kept": 1}
    assert [(found.status, found.error) for found in repo.spans(label="done")] == [("ok", None)]
    cas.create_span_artifact(span, label="late", data=3)
    assert cas.read_span_artifacts(span) == {"kept": 1, "late": 3}


BLOCKING = ("fsync", "open", "write", "writev", "pread", "read", "link", "rename", "stat", "scandir")


def test_the_event_loop_is_not_blocked(repo, monkeypatch):
    """While spans open, close and are entered again and artifacts of a megabyte are written and read, the loop's own
    thread touches no file, and no step of it takes 10 ms.

    By its CPU time: on the clock a step also lasts as long as other threads and processes hold the processor. What
    earlier tests left behind is kept from the garbage collector, which would walk through all of it in some step.
    """
    loops_thread = threading.get_ident()
    touched = []

    def watched(name):
        real = getattr(os, name)

        def call(*arguments, **options):
            if threading.get_ident() == loops_thread:
                touched.append((name, arguments[:1]))
            return real(*arguments, **options)

        return call

    steps = []

    async def ticker(stop):
        last = time.thread_time()
        while not stop.is_set():
            await asyncio.sleep(0)
            now = time.thread_time()
            steps.append(now - last)
            last = now

    async def main():
        stop = asyncio.Event()
        ticking = asyncio.ensure_future(ticker(stop))
        for number in range(20):
            async with aio.span_context(label=f"s{number}") as span:
                await aio.create_span_artifact("current", label="big", data=bytes([number]) * 1_000_000)
                await aio.read_span_artifacts("current")
            async with aio.span_context(span):
                await Awaited(number).create("made")
                await aio.read_child_spans("current")
            await aio.span_graph(span)
        await asyncio.gather(*(aio.read_span_artifacts(one.node_id) for one in repo_spans))
        stop.set()
        await ticking

    repo_spans = []
    for number in range(3):
        with cas.span_context(label=f"before{number}") as made:
            cas.create_span_artifacts("current", {f"l{index}": list(range(100)) for index in range(200)})
        repo_spans.append(made)
    with monkeypatch.context() as patched:
        for name in BLOCKING:
            patched.setattr(os, name, watched(name))
        gc.collect()
        gc.freeze()
        try:
            asyncio.run(main())
        finally:
            gc.unfreeze()
    assert touched == []
    assert len(steps) > 100
    assert max(steps) < 0.01


CRASHES = """
import os, sys
from dataclasses import dataclass
import cas

@dataclass
class Logged(cas.ArtifactModel, version=1, name="context.logged"):
    rows: list

cas.use(sys.argv[1], create=True)
with cas.span_context(label="run") as run:
    cas.create_span_artifacts("current", {"before": [1, 2], "model": Logged([3, 4])})
    with cas.span_context(label="done"):
        cas.create_span_artifact("current", label="inside", data=5)
    with cas.span_context(label="crashes"):
        cas.create_span_artifact("current", label="last", data="six")
        print(run.node_id, flush=True)
        os.kill(os.getpid(), 9)
"""


def test_a_crash_leaves_what_was_logged_readable(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CRASHES, str(tmp_path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == -9
    run = done.stdout.strip()

    def look(status):
        back = cas.read_span_artifacts(run)
        assert back["before"] == [1, 2]
        assert back["model"].rows == [3, 4]
        assert [one.value for one in cas.read_descendant_artifacts(run)][2:] == [5, "six"]
        assert {one.label: one.status for one in cas.read_child_spans(run)} == {"done": "ok", "crashes": status}
        assert cas.read_span(run).status == status

    with cas.open(tmp_path) as repository:
        look("abandoned")  # nobody wrote since, but nobody holds its lock any more
        cas.put(1, "next")  # the next writer takes over what the dead one left
        look("abandoned")
        assert repository.fsck().ok
    repository.close()
