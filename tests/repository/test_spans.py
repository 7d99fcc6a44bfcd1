"""Spans: nesting, what they record by themselves, when they publish, and who sees what meanwhile."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
from pathlib import Path

import pytest

import cas
from cas.errors import CasError, CodecError, RefNotFound, SpanError, SpanNotFound, UsageError, VersionConflict


def test_what_a_span_reads_and_makes_is_recorded(repository: cas.Repository) -> None:
    raw = repository.put([1, 2, 3], "raw")
    with repository.span("sum", metadata={"by": "ann"}) as span:
        total = sum(repository.get("raw"))
        repository.get("raw")
        repository.put(total, "total")
        span.log({"n": 3}, "stats")
    info = repository.span_info(span.id)
    assert (info.label, info.status, info.metadata, info.parent) == ("sum", "ok", {"by": "ann"}, None)
    assert info.closed_at is not None and info.closed_at >= info.opened_at
    assert [(link.artifact, link.asked) for link in repository.inputs(span.id)] == [(raw.id, "raw")]
    assert [one.label or one.name for one in repository.outputs(span.id)] == ["total", "stats"]
    assert repository.producer("total") == info
    assert repository.consumers("raw") == [info]
    assert repository.get(f"%{span.id[:10]}//stats") == {"n": 3}
    with pytest.raises(RefNotFound, match="it has: stats"):
        repository.get(f"%{span.id[:10]}//stat")


def test_everything_is_published_in_one_segment_when_it_closes(repository: cas.Repository) -> None:
    outside = cas.open(repository.root)
    before = repository.status().segments
    with repository.span("make"):
        for number in range(36):
            repository.put(number, f"part@n={number}")
        assert repository.get("part@n=7") == 7
        assert repository.get("part") == 35
        with pytest.raises(RefNotFound):
            outside.resolve("part@n=7")
        assert repository.status().segments == before
    assert repository.status().segments == before + 1
    assert outside.get("part@n=7") == 7
    outside.close()


def test_a_failed_span_publishes_nothing(repository: cas.Repository) -> None:
    with pytest.raises(ZeroDivisionError), repository.span("fail") as span:
        version = repository.put("kept", "never")
        span.log("kept too", "note")
        raise ZeroDivisionError("no")
    with pytest.raises(RefNotFound):
        repository.resolve("never")
    info = repository.span_info(span.id)
    assert info.status == "failed"
    assert info.error == {"type": "ZeroDivisionError", "message": "no"}
    assert repository.get(f"%{span.id}//note") == "kept too"
    assert repository.get(version.id) == "kept"


def test_children_publish_when_they_close(repository: cas.Repository) -> None:
    with pytest.raises(KeyError), repository.span("parent") as parent:
        with repository.span("child") as child:
            repository.put(1, "from child")
        assert repository.get("from child") == 1
        repository.put(2, "from parent")
        raise KeyError
    assert repository.get("from child") == 1
    with pytest.raises(RefNotFound):
        repository.resolve("from parent")
    assert repository.span_info(child.id).parent == parent.id
    assert repository.span_info(child.id).status == "ok"


@pytest.mark.parametrize("fails", [True, False])
def test_an_atomic_span_holds_back_what_is_made_inside(repository: cas.Repository, fails: bool) -> None:
    outside = cas.open(repository.root)
    try:
        with repository.span("all", atomic=True):
            with repository.span("middle"), repository.span("inner"):
                repository.put(1, "inner")
            assert repository.get("inner") == 1
            with pytest.raises(RefNotFound):
                outside.resolve("inner")
            repository.put(2, "outer")
            if fails:
                raise KeyError
    except KeyError:
        pass
    for name in ("inner", "outer"):
        if fails:
            with pytest.raises(RefNotFound):
                outside.resolve(name)
        else:
            assert outside.resolve(name).span is not None
    outside.close()


def test_a_span_inside_that_fails_takes_only_its_own_with_it(repository: cas.Repository) -> None:
    with repository.span("all", atomic=True):
        try:
            with repository.span("bad"):
                repository.put(1, "bad")
                raise KeyError
        except KeyError:
            pass
        repository.put(2, "good")
    assert repository.get("good") == 2
    with pytest.raises(RefNotFound):
        repository.resolve("bad")


def test_the_same_content_again_costs_no_version(repository: cas.Repository) -> None:
    def run() -> None:
        with repository.span("make"):
            repository.put([1, 2], "out")

    run()
    first = repository.resolve("out")
    run()
    assert repository.resolve("out") == first
    assert len(repository.log("out")) == 1
    assert repository.outputs(repository.spans()[0].id) == [first]


def test_labels_are_unique_in_a_span(repository: cas.Repository) -> None:
    with repository.span("s") as span:
        span.log(1, "a")
        with pytest.raises(SpanError, match="already has an artifact labelled 'a'"):
            span.log(2, "a")
        with pytest.raises(SpanError):
            span.log_many({"b": 1, "a": 2})
        with pytest.raises(SpanError):
            span.log(1, "")
        with repository.span("child") as child:
            child.log(3, "a")
    assert [one.label for one in repository.outputs(span.id)] == ["a"]


def test_a_closed_span_takes_nothing(repository: cas.Repository) -> None:
    span = repository.span("s")
    with pytest.raises(SpanError, match="not open yet"):
        span.log(1, "a")
    with span:
        pass
    with pytest.raises(SpanError, match="closed"):
        span.log(1, "a")
    with pytest.raises(SpanError, match="entered already"):
        span.__enter__()
    with pytest.raises(SpanError):
        repository.span("")


def test_a_span_entered_again_adds_to_itself(repository: cas.Repository) -> None:
    with repository.span("s") as span:
        span.log(1, "a")
    with repository.span_again(span.id) as again:
        assert again.id == span.id
        assert repository.span_info(span.id).status == "open"
        again.log(2, "b")
        with pytest.raises(SpanError):
            again.log(3, "a")
    assert [one.label for one in repository.outputs(span.id)] == ["a", "b"]
    assert repository.span_info(span.id).status == "ok"
    assert len(repository.spans()) == 1


def test_metadata_that_is_not_plain_is_refused_at_once(repository: cas.Repository) -> None:
    with pytest.raises(CodecError, match="metadata"), repository.span("s", metadata={"x": object()}):
        raise AssertionError("the body must not run")
    assert repository.current_span() is None
    assert repository.spans() == []


def test_a_conflict_when_it_closes_fails_the_span(repository: cas.Repository) -> None:
    other = cas.open(repository.root)
    with pytest.raises(VersionConflict), repository.span("late") as span:
        repository.put("mine", "n", version="v1")
        other.put("theirs", "n", version="v1")
    assert repository.get("n#v1") == "theirs"
    info = repository.span_info(span.id)
    assert (info.status, info.error and info.error["type"]) == ("failed", "VersionConflict")
    other.close()


def test_open_spans_are_seen_here_and_elsewhere(repository: cas.Repository) -> None:
    other = cas.open(repository.root)
    with repository.span("running") as span:
        span.log("so far", "note")
        for one in (repository, other):
            assert [(info.id, info.status) for info in one.spans(status="open")] == [(span.id, "open")]
            assert one.get(f"%{span.id}//note") == "so far"
        assert other.status().open_spans[0].label == "running"
    assert repository.spans(status="open") == other.spans(status="open") == []
    other.close()


def test_threads_have_spans_of_their_own(repository: cas.Repository) -> None:
    def work(number: int) -> None:
        with repository.span(f"thread {number}") as span:
            for step in range(10):
                with repository.span(f"step {step}") as child:
                    assert repository.current_span() is child
                repository.put(number * 100 + step, f"t{number}@step={step}")
            parents[number] = span.id

    parents: dict[int, str] = {}
    with repository.span("main"):
        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for number, parent in parents.items():
        assert repository.span_info(parent).parent is None
        assert repository.get(f"t{number}@step=9") == number * 100 + 9
    steps = repository.spans(label="step *")
    assert len(steps) == 60
    assert {info.parent for info in steps} == set(parents.values())


def test_tasks_of_asyncio_nest_under_their_caller(repository: cas.Repository) -> None:
    async def work(number: int) -> str:
        async with repository.span(f"task {number}") as span:
            await asyncio.sleep(0.001 * (5 - number))
            span.log(number, "n")
            return span.id

    async def main() -> tuple[str, list[str]]:
        async with repository.span("main") as span:
            return span.id, await asyncio.gather(*(work(number) for number in range(5)))

    parent, children = asyncio.run(main())
    assert {repository.span_info(child).parent for child in children} == {parent}


def test_the_outer_span_comes_back_after_an_error(repository: cas.Repository) -> None:
    with repository.span("outer") as outer:
        with pytest.raises(KeyError), repository.span("inner"):
            raise KeyError
        assert repository.current_span() is outer
    assert repository.current_span() is None


def test_a_forked_child_keeps_the_parent_and_publishes_itself(repository: cas.Repository) -> None:
    with repository.span("parent") as parent:
        repository.put("before", "before")
        child = os.fork()
        if child == 0:
            status = 1
            try:
                with repository.span("in the child"):
                    repository.put("made", "child")
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert repository.get("child") == "made"
    assert repository.get("before") == "before"
    (info,) = repository.spans(label="in the child")
    assert (info.parent, info.status) == (parent.id, "ok")
    assert repository.fsck().ok


def test_what_a_forked_child_adds_to_the_span_around_it_stays(repository: cas.Repository) -> None:
    with repository.span("parent") as parent:
        parent.log("here", "first")
        child = os.fork()
        if child == 0:
            status = 1
            try:
                repository.put("put", "child")
                parent.log("logged", "label")
                for taken in ("first", "label"):
                    with pytest.raises(SpanError, match="already has an artifact"):
                        parent.log("again", taken)
                with repository.span("its own"):
                    repository.put("made", "own")
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        parent.log("there", "last")
    assert (repository.get("child"), repository.get("own")) == ("put", "made")
    assert repository.resolve("child").span == parent.id
    labels = {made.label: made.get() for made in repository.outputs(parent.id) if made.label}
    assert labels == {"first": "here", "label": "logged", "last": "there"}
    assert repository.fsck().ok


def test_the_commit_of_the_working_directory(
    repository: cas.Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = tmp_path / "code"
    checkout.mkdir()
    git = ["git", "-C", str(checkout), "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "x"]):
        subprocess.run([*git, *command], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    monkeypatch.chdir(checkout)
    with repository.span("coded") as span:
        pass
    assert repository.span_info(span.id).code == {"commit": head, "dirty": False}


def test_lineage_from_the_model_to_the_raw_table(repository: cas.Repository) -> None:
    repository.put("raw", "raw")
    with repository.span("clean"):
        repository.get("raw")
        repository.put("a", "clean@k=a")
        repository.put("b", "clean@k=b")
    with repository.span("train"):
        repository.get("clean@k=a")
        repository.get("clean@k=b")
        repository.put("model", "model")
    up = repository.lineage("model")
    (train,) = up.children
    assert [train.title, *(child.title.partition("#")[0] for child in train.children)] == [
        "train",
        "clean@k=a",
        "clean@k=b",
    ]
    first, second = train.children
    assert first.children[0].title == "clean"
    assert first.children[0].children[0].title.startswith("raw#")
    assert second.children[0].seen
    down = repository.lineage("raw", down=True)
    assert "model" in str(down.to_dict())
    assert repository.lineage("model", depth=1).children[0].children[0].children == ()


def test_two_repositories_do_not_mix_their_spans(
    repository: cas.Repository, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = cas.init(tmp_path_factory.mktemp("other"))
    with repository.span("here"):
        assert other.current_span() is None
        with other.span("there") as there:
            other.put(1, "n")
            repository.put(2, "n")
    assert (other.get("n"), repository.get("n")) == (1, 2)
    assert other.span_info(there.id).parent is None
    other.close()


def test_spans_are_named_by_text_or_by_themselves(repository: cas.Repository) -> None:
    repository.put(1, "raw")
    with repository, cas.span_context(label="sum") as span:
        repository.put(repository.get("raw") + 1, "total")
        opened = repository.current_span()
    info = repository.producer("total")
    assert info is not None and opened is not None
    for form in (info.id, f"%{info.id[:10]}", info, span, opened):
        assert repository.span_info(form) == info
        assert [link.ref for link in repository.inputs(form)] == [repository.resolve("raw").ref]
        assert [one.name for one in repository.outputs(form)] == ["total"]
        assert repository.lock_of(form)["span"] == info.id
        with repository:
            assert cas.triggered_by(form) is None
    for wrong in (None, 5, cas.Span(label="never opened")):
        with pytest.raises(SpanNotFound, match="names no span"):
            repository.inputs(wrong)


def test_fields_belong_to_a_kind_of_span(repository: cas.Repository) -> None:
    with pytest.raises(UsageError, match="spans of every kind have no field 'rate'"):
        repository.spans(rate=1)


def test_an_unknown_span(repository: cas.Repository) -> None:
    with pytest.raises(CasError, match="no span"):
        repository.span_info("abcdef")


def test_lineage_calls_what_only_a_span_labels_by_that(repository: cas.Repository) -> None:
    with repository.span("first") as first:
        made = first.log([1, 2], "pair")
    with repository.span("second") as second:
        second.log(sum(repository.get(f"%{first.id}//pair")), "sum")
    up = repository.lineage(f"%{second.id}//sum")
    assert up.title == f"%{second.id[:12]}//sum"
    (read,) = up.children[0].children
    assert (read.title, read.id) == (f"%{first.id[:12]}//pair", made.id)
    assert repository.get(read.title) == [1, 2]
    assert repository.lineage(read.title, down=True).children[0].children[0].title == up.title


def test_open_spans_are_readers_too(repository: cas.Repository) -> None:
    raw = repository.put(1, "raw")
    outside = cas.open(repository.root)
    with repository.span("outer"):
        with repository.span("inner"):
            assert [one.label for one in repository.consumers(raw)] == []
            repository.get("raw")
            assert [(one.label, one.status) for one in repository.consumers(raw)] == [("inner", "open")]
        assert [(one.label, one.status) for one in repository.consumers(raw)] == [("inner", "ok")]
        repository.get("raw")
        assert [(one.label, one.status) for one in repository.consumers(raw)] == [("outer", "open"), ("inner", "ok")]
        assert [node.title for node in repository.lineage(raw, down=True).children] == ["outer", "inner"]
        # What closed inside an open span is told to other openings of the repository, too.
        assert "inner" in [one.label for one in outside.consumers("raw")]
    assert [(one.label, one.status) for one in repository.consumers(raw)] == [("outer", "ok"), ("inner", "ok")]
    assert outside.consumers("raw") == repository.consumers(raw)
    outside.close()


def test_a_version_that_is_read_after_it_was_resolved_is_one_input(repository: cas.Repository) -> None:
    version = repository.put(1, "x")
    with repository.span("reader") as span:
        repository.resolve("x").get()
        version.get()
        repository.find("x")[0].get()
    assert [(link.artifact, link.asked) for link in repository.inputs(span.id)] == [(version.id, "x")]


def test_opening_a_version_is_reading_it(repository: cas.Repository) -> None:
    version = repository.put(b"bytes", "x")
    with repository.span("reader") as span, repository.find("x")[0].open() as content:
        assert content.read() == b"bytes"
    assert [link.artifact for link in repository.inputs(span.id)] == [version.id]
