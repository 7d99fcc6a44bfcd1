"""Spans that no log names yet: open here, open in another process, closed inside an open one."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import ExitStack
from multiprocessing import get_context

import pytest

import cas
import cas.aio
from cas.errors import SpanError


@pytest.fixture
def repo(tmp_path):
    with cas.init(tmp_path) as repository:
        yield repository
    repository.close()


def test_a_child_that_closed_inside_an_open_span(repo):
    with cas.span_context(label="parent") as parent:
        with cas.span_context(label="child", metadata={"n": 1}) as child:
            cas.create_span_artifact("current", label="a", data=1)
        assert repo.span_info(child.node_id).status == "ok"
        assert repo.span_info(child.node_id[:12]).metadata == {"n": 1}
        assert repo.get(f"%{child.node_id[:12]}//a") == 1
        assert [one.label for one in repo.outputs(child.node_id)] == ["a"]
        assert [info.label for info in repo.spans()] == ["child", "parent"]
        assert [info.label for info in repo.spans(status="ok")] == ["child"]

        cas.create_span_artifact(child, label="b", data=2)
        with pytest.raises(SpanError, match="already has an artifact labelled 'b'"):
            cas.create_span_artifact(child, label="b", data=3)
        assert cas.read_span_artifacts(child) == {"a": 1, "b": 2}
        with cas.span_context(child), cas.span_context(label="grandchild"):
            assert [one.label for one in cas.read_ancestor_spans("current")] == ["child", "parent"]
        assert [one.label for one in cas.read_descendant_spans(parent)] == ["child", "grandchild"]
        assert [one.value for one in cas.read_descendant_artifacts(parent)] == [1, 2]
    for _ in range(2):
        assert cas.read_span_artifacts(child) == {"a": 1, "b": 2}
        assert [one.label for one in cas.read_descendant_spans(parent)] == ["child", "grandchild"]
        repo.catalog.database.rebuild()
    assert repo.fsck().ok


def test_the_ancestors_of_a_span_entered_again(repo):
    with cas.span_context(label="root"), cas.span_context(label="middle"), cas.span_context(label="leaf") as leaf:
        pass
    with cas.span_context(leaf):
        assert [one.label for one in cas.read_ancestor_spans("current")] == ["middle", "root"]
        assert cas.read_parent_span("current").label == "middle"


RUN = """
import sys
import cas
import cas.aio

cas.use(sys.argv[1])
with cas.span_context(label="run", metadata={"team": "a"}) as run:
    cas.create_span_artifact("current", label="settings", data={"rate": 0.1})
    for number in range(3):
        with cas.span_context(label=f"epoch{number}"):
            cas.create_span_artifact("current", label="loss", data=1 / (1 + number))
    with cas.span_context(label="epoch3"):
        cas.create_span_artifact("current", label="so far", data="half")
        print(run.node_id, flush=True)
        sys.stdin.readline()
"""


def test_the_run_of_another_process_as_it_goes_on(repo, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    run = process.stdout.readline().strip()
    labels = ["epoch0", "epoch1", "epoch2", "epoch3"]

    def look(last):
        assert cas.read_span(run).status == last
        assert [one.label for one in cas.read_child_spans(run)] == labels
        assert [one.status for one in cas.read_descendant_spans(run)] == ["ok", "ok", "ok", last]
        assert [one.value for one in cas.read_descendant_artifacts(run)] == [{"rate": 0.1}, 1.0, 0.5, 1 / 3, "half"]
        assert repo.get(f"%{run}//settings") == {"rate": 0.1}
        epochs = repo.spans(label="epoch*")
        assert sorted(info.label for info in epochs) == labels
        assert [len(repo.outputs(info.id)) for info in epochs] == [1, 1, 1, 1]
        assert [one.label for one in cas.read_ancestor_spans(epochs[0].id)] == ["run"]
        assert {one.label for one in repo.spans(cas.SpanFilter(ancestor=run))} == set(labels)
        (found,) = repo.spans(cas.SpanFilter(metadata={"team": "a"}))
        assert found.node_id == run
        assert len(repo.find(cas.ArtifactFilter(label="loss"))) == 3
        assert len(cas.span_graph(run).nodes) == 10

    look("open")
    epoch0 = cas.read_child_spans(run)[0]
    (loss,) = cas.read_child_artifacts(epoch0)
    for delete, what in ((cas.delete_span, epoch0), (cas.delete_artifact, loss.id)):
        with pytest.raises(SpanError, match="part of a run that goes on in another process"):
            delete(what)
    process.communicate("go on\n", timeout=60)
    look("ok")
    cas.delete_artifact(loss.id)
    assert cas.read_child_artifacts(epoch0) == []


def test_what_was_read_before_a_span_closed_is_read_after(repo):
    with cas.span_context(label="parent"):
        with cas.span_context(label="child") as child:
            cas.create_span_artifact("current", label="a", data=1)
            assert cas.read_span_artifacts("current") == {"a": 1}
        assert cas.read_span_artifacts(child) == {"a": 1}
        cas.create_span_artifact(child, label="b", data=2)
        assert cas.read_span_artifacts(child) == {"a": 1, "b": 2}


def test_deleting_what_closed_inside_an_open_span(repo):
    with cas.span_context(label="parent") as parent:
        with cas.span_context(label="one") as one:
            artifact = cas.create_span_artifact("current", label="a", data=1)
        with cas.span_context(label="two") as two:
            cas.create_span_artifact("current", label="a", data=2)
        assert cas.plan_delete_artifact(artifact).dependents == []
        assert cas.delete_artifact(artifact).dependents == []  # who plans to delete it does not read it
        assert cas.read_span_artifacts(one) == {}
        cas.delete_span(two)
        assert cas.read_descendant_spans(parent) == [one]
    assert cas.read_descendant_spans(parent) == [one]
    assert cas.read_descendant_artifacts(parent) == []


def test_what_many_open_spans_cost_is_what_they_do(repo):
    """A question takes in what happened since the last, and does not go through all that is open."""
    from cas.models.inflight import in_flight

    looked = []
    with ExitStack() as stack:
        for number in range(200):
            stack.enter_context(cas.span_context(label=f"s{number}"))
        cas.read_parent_span("current")
        flying = in_flight(repo)
        taken, flying._catch_up = flying._catch_up, lambda *one: (looked.append(one), taken(*one))
        cas.create_span_artifact("current", label="a", data=1)
        assert cas.read_parent_span("current").label == "s198"
        for _ in range(10):
            with cas.span_context(label="passing"):
                pass
        assert len(repo.session.stirred) == 1  # what came and went in between is listed by what is around it
        assert len(cas.read_child_spans("current")) == 10
    assert len(looked) == 2


def _child(number):
    with cas.span_context(label=f"child{number}"):
        return cas.read_parent_span("current").node_id, [one.label for one in cas.read_ancestor_spans("current")]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_sees_the_spans_of_its_parent(repo):
    with cas.span_context(label="root"), cas.span_context(label="around") as around:
        with get_context("fork").Pool(2) as pool:
            seen = pool.map(_child, range(4))
        assert seen == [(around.node_id, ["around", "root"])] * 4
    assert len(cas.read_child_spans(around)) == 4


def test_an_open_span_entered_again_goes_on(repo):
    with cas.span_context(label="run") as run:
        cas.create_span_artifact("current", label="a", data=1)
        with pytest.raises(ZeroDivisionError), cas.span_context(run) as again, cas.span_context(label="inside"):
            assert again == run
            cas.create_span_artifact(run, label="b", data=2)
            _ = 1 // 0
        assert cas.current_span() == run
        assert cas.read_span(run).status == "open"
        assert cas.read_span_artifacts(run) == {"a": 1, "b": 2}
    assert cas.read_span(run).status == "ok"
    assert cas.read_span_artifacts(run) == {"a": 1, "b": 2}
    assert [one.label for one in cas.read_child_spans(run)] == ["inside"]


def test_an_open_span_entered_again_by_awaiting(repo):
    async def main():
        async with cas.aio.span_context(label="run") as run:
            async with cas.aio.span_context(run):
                await cas.aio.create_span_artifact("current", label="a", data=1)
            assert (await cas.aio.read_span(run)).status == "open"
            assert cas.aio.current_span() == run
        assert await cas.aio.read_span_artifacts(run) == {"a": 1}

    asyncio.run(main())


ADDED_TO = """
import subprocess, sys
import cas

cas.use(sys.argv[1])
if len(sys.argv) == 3:
    cas.create_span_artifact(sys.argv[2], label="theirs", data=2)
    sys.exit()
with cas.span_context(label="run") as run:
    cas.create_span_artifact("current", label="before", data=1)
    subprocess.run([sys.executable, *sys.orig_argv[1:3], sys.argv[1], run.node_id], check=True)
    cas.create_span_artifact("current", label="after", data=3)
    with cas.span_context(label="inside"):
        pass
    print(run.node_id, flush=True)
    sys.stdin.readline()
"""


def test_a_run_that_another_process_added_to_and_that_was_killed(repo, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", ADDED_TO, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    run = process.stdout.readline().strip()
    process.kill()
    process.communicate()
    with cas.span_context(label="the next writer"):
        pass
    for _ in range(2):
        assert cas.read_span(run).status == "abandoned"
        assert cas.read_span_artifacts(run) == {"theirs": 2, "before": 1, "after": 3}
        assert [one.label for one in cas.read_child_spans(run)] == ["inside"]
        repo.catalog.database.rebuild()
    assert repo.fsck().ok
