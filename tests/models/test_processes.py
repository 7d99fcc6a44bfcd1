"""Spans of tasks, threads and process pools keep the right parent, however the workers begin."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ProcessPoolExecutor
from contextvars import copy_context
from multiprocessing import get_context

import pytest

import cas
from cas import aio
from cas.errors import SpanError, SpanNotFound


@pytest.fixture
def repo(tmp_path):
    with cas.init(tmp_path) as repository:
        yield repository
    repository.close()


def work(number: int) -> str:
    """In a forked worker: the span around it is the one that was open when the pool began."""
    with cas.span_context(label=f"part{number}"):
        cas.create_span_artifact("current", label="x", data=number)
        return cas.read_parent_span("current").node_id


def work_anew(path: str, parent: str, number: int) -> tuple[str, list[str]]:
    """In a worker that began with nothing: it is told the repository and the span."""
    with cas.open(path) as repository, cas.span_context(label=f"part{number}", parent=parent):
        cas.create_span_artifact("current", label="x", data=number)
        with cas.span_context(label="inside"):
            above = [one.label for one in cas.read_ancestor_spans("current")]
        found = cas.read_parent_span("current").node_id
    repository.close()
    return found, above


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_pool(repo):
    with cas.span_context(label="root") as root, ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        assert set(pool.map(work, range(8))) == {root.node_id}
    assert {span.label for span in cas.read_child_spans(root)} == {f"part{number}" for number in range(8)}
    assert {one.value for one in cas.read_descendant_artifacts(root)} == set(range(8))


def add(number: int) -> str:
    """In a forked worker: to the span that was open when the pool began."""
    cas.create_span_artifact("current", label=f"x{number}", data=number)
    with pytest.raises(SpanError, match="already has an artifact labelled 'first'"):
        cas.create_span_artifact("current", label="first", data=number)
    cas.put(number, f"number{number}")
    cas.put_many([(number, f"many{number}")])
    return cas.current_span().node_id


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_pool_adds_to_the_span_around_it(repo):
    with cas.span_context(label="root") as root:
        cas.create_span_artifact("current", label="first", data=0)
        with get_context("fork").Pool(2) as pool:
            assert set(pool.map(add, range(4))) == {root.node_id}
        cas.create_span_artifact("current", label="last", data=5)
    wanted = {"first": 0, "last": 5, **{f"x{number}": number for number in range(4)}}
    assert cas.read_span_artifacts(root) == wanted
    repo.catalog.database.rebuild()
    assert cas.read_span_artifacts(root) == wanted
    for number in range(4):
        assert cas.get(f"number{number}") == cas.get(f"many{number}") == number
        assert repo.resolve(f"number{number}").span == root.node_id


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_pool_that_begins_anew(repo, tmp_path, method):
    with cas.span_context(label="root") as root, ProcessPoolExecutor(2, mp_context=get_context(method)) as pool:
        futures = [pool.submit(work_anew, str(tmp_path), root.node_id, number) for number in range(6)]
        for future in futures:
            assert future.result() == (root.node_id, [f"part{futures.index(future)}", "root"])
        # What the workers' spans made is there to be gathered before the span around them ends.
        assert {span.label for span in cas.read_child_spans(root)} == {f"part{number}" for number in range(6)}
        assert len(cas.read_descendant_spans("current", limit=7)) == 7
        assert {one.value for one in cas.read_descendant_artifacts("current")} == set(range(6))
    assert {span.label for span in cas.read_child_spans(root)} == {f"part{number}" for number in range(6)}
    assert len(cas.read_descendant_spans(root)) == 12
    assert {one.value for one in cas.read_descendant_artifacts(root)} == set(range(6))


def test_a_thread_without_the_context(repo):
    def run(parent):
        with repo, cas.span_context(label="thread", parent=parent):
            pass

    with cas.span_context(label="outer") as outer, cas.span_context(label="inner"):
        thread = threading.Thread(target=run, args=(outer,))
        thread.start()
        thread.join()
        assert [one.label for one in cas.read_child_spans(outer)] == ["inner", "thread"]
    assert [one.label for one in cas.read_child_spans(outer)] == ["inner", "thread"]


def test_gathered_tasks(repo):
    async def one(number):
        async with aio.span_context(label=f"task{number}") as span:
            await asyncio.sleep(0)
            async with aio.span_context(label="below") as below:
                assert (await aio.read_parent_span("current")).node_id == span.node_id
        return span.node_id, below.node_id

    async def main():
        async with aio.span_context(label="root") as root:
            made = await asyncio.gather(*(one(number) for number in range(200)))
        assert {span.node_id for span in await aio.read_child_spans(root)} == {above for above, _ in made}
        for above, below in made[::20]:
            assert (await aio.read_parent_span(below)).node_id == above
            assert (await aio.read_parent_span(above)).node_id == root.node_id

    asyncio.run(main())


def test_a_thread_that_outlives_its_span(repo):
    ready, go_on = threading.Event(), threading.Event()

    def late():
        with cas.span_context(label="late") as span:
            ready.set()
            go_on.wait(10)
            cas.create_span_artifact("current", label="x", data=1)
            repo.put("from late", "published")
        found.append(span)

    found: list[cas.Span] = []
    with cas.span_context(label="root", atomic=True) as root:
        thread = threading.Thread(target=copy_context().run, args=(late,))
        thread.start()
        ready.wait(10)
    go_on.set()
    thread.join()
    assert cas.read_child_spans(root) == found
    assert cas.read_span_artifacts(found[0]) == {"x": 1}
    assert repo.get("published") == "from late"
    repo.catalog.database.rebuild()
    assert cas.read_child_spans(root) == found


def test_a_parent_by_its_prefix_and_one_that_is_not(repo):
    with cas.span_context(label="root") as root:
        pass
    with cas.span_context(label="child", parent=root.node_id[:12]) as child:
        pass
    assert cas.read_parent_span(child) == root
    with cas.span_context(label="outer"), cas.span_context(label="child", parent="current") as second:
        assert cas.read_parent_span(second).label == "outer"
    for wrong in ("0" * 12, "x" * 64):
        with pytest.raises(SpanNotFound), cas.span_context(label="child", parent=wrong):
            pass
    with pytest.raises(SpanError, match="keeps its parent"):
        cas.span_context(child, parent=root)
    with repo.span("by the repository", parent=root.node_id):
        pass
    assert [one.label for one in cas.read_child_spans(root)] == ["child", "by the repository"]
