"""Calls of tasks: spans, inputs, publication, and what goes wrong."""

import asyncio
import inspect
import os
import pickle
import sys
import threading
import typing
from datetime import date, datetime
from functools import partial
from types import SimpleNamespace
from typing import Annotated, NamedTuple, Optional

import cloudpickle
import pandas as pd
import pytest

import cas
from cas.errors import DeclarationError, NoRepository, PartitionError, PublishError, RefNotFound
from cas.flows import (
    Artifact,
    DataCard,
    Inputs,
    ModelCard,
    NoRepositoryWarning,
    OpenPartitionWarning,
    UnusedCreationWarning,
    calling,
    launch,
    task,
    workflow,
)

NUMBER = Artifact(name="number")
KEYED = Artifact(name="keyed", partition_keys=["k"])
OTHER = Artifact(name="other", partition_keys=["k"])
TIMED = Artifact[pd.DataFrame](name="timed", partition_keys=["a", "b"], time_partitioned=True)


class Mine(Artifact[pd.DataFrame]):
    partitions = ["a"]


def refs(repo):
    return sorted(version.ref.partition("#")[0] for version in repo.log())


def only(repo, **criteria):
    (found,) = repo.spans(**criteria)
    return found


def test_a_call_is_a_span_with_its_arguments_and_outputs(repo):
    @task
    def add(x: int, y: int = 2) -> Annotated[int, NUMBER]:
        return x + y

    assert add(1) == 3
    span = only(repo)
    assert (span.label, span.status, span.metadata["kind"]) == ("add", "ok", "task")
    assert span.metadata["function"].endswith("add")
    assert [(link.name, link.type) for link in repo.inputs(span.id)] == [("x", "int"), ("y", "int")]
    version = repo.resolve("number")
    assert repo.outputs(span.id) == [version]
    assert repo.producer(version).id == span.id
    assert version.get() == 3


def test_bound_static_and_runtime_parts_merge(repo):
    @task
    def made(b: str, t: datetime) -> Annotated[pd.DataFrame, TIMED(b=Inputs.b, time_partition=Inputs.t)]:
        return TIMED(pd.DataFrame({"x": [1]}), a=b + "2")

    frame = made("y", datetime(2024, 5, 1))
    assert type(frame) is pd.DataFrame
    assert refs(repo) == ["timed@a=y2,b=y,time=2024-05-01"]


def test_a_class_is_an_output(repo):
    @task
    def made() -> Mine:
        return Mine(pd.DataFrame({"x": [1]}), a="1")

    assert list(made().columns) == ["x"]
    assert refs(repo) == ["Mine@a=1"]


def test_the_value_comes_back_unchanged(repo):
    frame = pd.DataFrame({"x": [1]})

    @task
    def made() -> Annotated[pd.DataFrame, KEYED]:
        result = KEYED.create_from(frame, None, k="1")
        assert result is frame
        return result

    assert made() is frame


def test_equal_values_in_one_tuple_keep_their_own_partitions(repo):
    @task
    def pair() -> tuple[Annotated[int, KEYED], Annotated[int, KEYED], Annotated[int, OTHER]]:
        return KEYED(1, k="a"), KEYED(1, k="b"), OTHER(1, k="c")

    assert pair() == (1, 1, 1)
    assert all(type(one) is int for one in pair())
    assert refs(repo) == ["keyed@k=a", "keyed@k=b", "other@k=c"]


@pytest.mark.parametrize(
    "value", [1, 0.5, "x", b"x", (), pd.DataFrame({"x": [1]}), [1]], ids=lambda v: type(v).__name__
)
def test_the_order_of_the_calls_does_not_matter(repo, value):
    @task
    def pair() -> tuple[Annotated[object, KEYED], Annotated[object, KEYED]]:
        second = KEYED(value, k="second")
        first = KEYED(value, k="first")
        return first, second

    made = pair()
    assert [type(one) for one in made] == [type(value)] * 2
    assert made[0] is made[1] is value
    assert [one.partitions["k"] for one in repo.outputs(only(repo).id)] == ["first", "second"]


def test_a_value_that_stands_for_another_is_itself_to_other_tasks(repo):
    seen = []

    @task
    def look(x: int) -> None:
        seen.append(type(x))

    @task
    def pair() -> tuple[Annotated[int, KEYED], Annotated[int, KEYED]]:
        first = KEYED(1, k="a")
        second = KEYED(1, k="b")
        look(second)
        return first, second

    pair()
    assert seen == [int]


def test_named_tuples_stay_named(repo):
    class Out(NamedTuple):
        first: Annotated[int, KEYED]
        second: Annotated[int, KEYED]
        third: str

    @task
    def made() -> Out:
        return Out(KEYED(1, k="a"), KEYED(1, k="b"), "x")

    assert made() == Out(1, 1, "x")
    assert isinstance(made(), Out)
    assert refs(repo) == ["keyed@k=a", "keyed@k=b"]


def test_a_tuple_of_another_length_is_refused(repo):
    @task
    def made() -> tuple[Annotated[int, NUMBER], int]:
        return 1, 2, 3

    with pytest.raises(PublishError, match="annotated with 2 results and returned 3 results"):
        made()
    assert repo.log() == []


def test_open_keys(repo):
    @task
    def nothing_said() -> Annotated[int, KEYED]:
        return 1

    @task
    def half_said() -> Annotated[int, TIMED(a="x")]:
        return 1

    with pytest.raises(PublishError, match=r"the result of nothing_said\(\): 'k' of 'keyed' is left open"):
        nothing_said()
    assert repo.log() == []
    assert only(repo).status == "failed"
    with pytest.warns(OpenPartitionWarning, match="without 'b', 'time_partition'"):
        half_said()
    assert refs(repo) == ["timed@a=x"]


def test_an_output_that_fails_publishes_none(repo):
    @task
    def pair() -> tuple[Annotated[int, NUMBER], Annotated[int, KEYED]]:
        return 1, 2

    with pytest.raises(PublishError):
        pair()
    assert repo.log() == []


def test_a_failed_task_publishes_nothing(repo):
    @task
    def broken() -> Annotated[int, NUMBER]:
        NUMBER(1)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        broken()
    assert repo.log() == []
    assert only(repo).error["message"] == "no"


def test_a_call_whose_value_is_no_result_is_told(repo):
    @task
    def made() -> int:
        return KEYED(1, k="x")

    with pytest.warns(UnusedCreationWarning, match="'keyed'"):
        assert made() == 1
    assert repo.log() == []


def test_two_results_go_in_one_segment(repo):
    @task
    def pair() -> typing.Tuple[int, Mine, Annotated[int, NUMBER]]:  # noqa: UP006 - both spellings work
        return 1, Mine(pd.DataFrame({"x": [1]}), a="1"), 2

    pair()
    one, two = repo.log()
    assert one.span == two.span


def test_identical_content_makes_no_new_version(repo):
    @task
    def made(x: int) -> Annotated[int, KEYED(k="a")]:
        return 1

    made(1)
    made(2)
    assert len(repo.log("keyed")) == 1


def test_an_artifact_without_a_value_is_no_result(repo):
    @task
    def bound() -> Annotated[int, KEYED]:
        return KEYED(k="x")

    with pytest.raises(PublishError, match="an artifact without a value"):
        bound()
    assert repo.log() == []


def test_metadata_are_named_values(repo):
    @task
    def made() -> Annotated[int, KEYED]:
        return KEYED(1, k="x", metadata=3)

    with pytest.raises(DeclarationError, match="plain values by name, not 3"):
        made()


def test_cards_and_metadata_are_attached(repo):
    frame = pd.DataFrame({"x": [1, 2]})

    @task
    def made() -> Annotated[pd.DataFrame, KEYED]:
        return KEYED(frame, ModelCard("# M"), DataCard.from_dataframe(frame), metadata={"loss": 0.5}, k="a")

    made()
    version = repo.resolve("keyed")
    assert version.metadata == {"loss": 0.5}
    assert version.cards["model"] == b"# M"
    assert b"2 rows" in version.cards["data"]
    assert version.card_types == {"model": "text/markdown", "data": "text/markdown"}


def test_the_declaration_is_recorded_with_the_first_version(repo):
    @task
    def made() -> Annotated[pd.DataFrame, TIMED(a="1", b="2")]:
        return TIMED(pd.DataFrame({"x": [1]}), time_partition=date(2024, 5, 1))

    made()
    declared = repo.declaration("timed")
    assert (set(declared.keys), declared.granularity) == ({"a", "b"}, "day")
    assert declared.type == "pandas.DataFrame"


def test_a_later_declaration_with_other_keys_is_refused(repo):
    @task
    def first() -> Annotated[int, KEYED(k="a")]:
        return 1

    changed = Artifact(name="keyed", partition_keys=["k", "more"])

    @task
    def second() -> Annotated[int, changed(k="a", more="b")]:
        return 2

    first()
    with pytest.raises(
        PartitionError, match=r"keys \['k'\] and no time; here it is declared with \['k', 'more'\]"
    ) as e:
        second()
    assert e.value.hint == "extend it: cas declare keyed --add-key more"


def test_project_domain_and_version_of_the_declaration(repo):
    elsewhere = Artifact(name="x", project="p", domain="d", version="v1")

    @task
    def made() -> Annotated[int, elsewhere]:
        return 1

    made()
    assert repo.resolve("p/d/x#v1").get() == 1


def test_tasks_nest_in_workflows(repo):
    @task
    def step(x: int) -> Annotated[int, NUMBER]:
        return x + 1

    @workflow
    def flow(x: int) -> int:
        return step(step(x))

    assert flow(1) == 3
    outer = only(repo, label="flow")
    steps = repo.spans(label="step")
    assert {one.parent for one in steps} == {outer.id}
    assert outer.metadata["kind"] == "workflow"


def test_arguments_name_the_artifact_they_came_from(repo):
    @task
    def first() -> Annotated[pd.DataFrame, KEYED(k="a")]:
        return pd.DataFrame({"x": [1]})

    @task
    def second(frame: pd.DataFrame, flag: bool) -> Annotated[int, NUMBER]:
        return len(frame)

    @workflow
    def flow() -> int:
        return second(first(), True)

    flow()
    given = {link.name: link for link in repo.inputs(only(repo, label="second").id)}
    assert given["frame"].artifact == repo.resolve("keyed").id
    assert given["flag"].artifact is None
    assert [span.label for span in repo.consumers("keyed")] == ["second"]
    assert only(repo, label="first").id in {span.id for span in [repo.producer("keyed")]}


def test_arguments_name_what_the_code_around_read_or_put(repo):
    @task
    def use(frame: pd.DataFrame, rate: float) -> None: ...

    @workflow
    def flow() -> None:
        use(cas.get("table").copy(), cas.put(0.5, "rate").get())

    repo.put(pd.DataFrame({"x": [1]}), "table")
    flow()
    given = {link.name: link.artifact for link in repo.inputs(only(repo, label="use").id)}
    assert given == {"frame": repo.resolve("table").id, "rate": repo.resolve("rate").id}
    with repo.span("notebook"):
        frame = repo.get("table")
        use(frame, 0.25)
    given = {link.name: link.artifact for link in repo.inputs(repo.spans(label="use")[0])}
    assert given == {"frame": repo.resolve("table").id, "rate": None}


def test_an_equal_value_from_another_run_is_no_edge(repo):
    @task
    def first() -> Annotated[int, NUMBER]:
        return 7

    @task
    def second(x: int) -> None: ...

    first()
    second(7)
    (link,) = repo.inputs(only(repo, label="second").id)
    assert link.artifact is None


def test_arguments_that_cannot_be_stored_do_no_harm(repo, tmp_path):
    class Connection: ...

    @task
    def use(connection: Connection, path) -> Annotated[int, NUMBER]:
        return 1

    use(Connection(), tmp_path / "not there yet")
    assert repo.inputs(only(repo).id) == []


def test_coroutines_are_tasks_too(repo):
    @task
    async def step(k: str) -> Annotated[int, KEYED(k=Inputs.k)]:
        await asyncio.sleep(0)
        return KEYED(1)

    @workflow
    async def flow() -> list[int]:
        return list(await asyncio.gather(*(step(k) for k in "abc")))

    assert asyncio.run(flow()) == [1, 1, 1]
    assert refs(repo) == ["keyed@k=a", "keyed@k=b", "keyed@k=c"]
    assert {one.parent for one in repo.spans(label="step")} == {only(repo, label="flow").id}


def test_schedulers_can_tell_coroutine_functions():
    @task
    async def awaited() -> None: ...
    @workflow
    def plain(x: int = 1, *, y: int = 2) -> None: ...

    class Steps:
        @task
        async def step(self) -> None: ...

    for function in (awaited, Steps().step, Steps.step):
        assert inspect.iscoroutinefunction(function)
    assert not inspect.iscoroutinefunction(plain)
    assert not inspect.iscoroutinefunction(task(partial(plain.function, 2)))
    assert str(inspect.signature(plain)) == "(x: int = 1, *, y: int = 2) -> None"


def test_awaited_tasks_leave_the_event_loop_alone(repo, monkeypatch):
    repo.put(b"x" * 1_000_000, "keyed@k=a")
    loops_thread = threading.get_ident()
    touched = []

    def watched(name):
        real = getattr(os, name)

        def call(*arguments, **options):
            if threading.get_ident() == loops_thread:
                touched.append(name)
            return real(*arguments, **options)

        return call

    @task
    async def step(given: bytes, found: bytes = KEYED.query(k="a")) -> Annotated[bytes, NUMBER]:
        return given + found

    @workflow
    async def flow(given: bytes) -> list[bytes]:
        return [await step(given), *await asyncio.gather(step(given), step(b"z"))]

    with monkeypatch.context() as patched:
        for name in ("fsync", "open", "write", "writev", "pread", "read", "link", "rename", "stat", "scandir"):
            patched.setattr(os, name, watched(name))
        assert [len(one) for one in asyncio.run(flow(b"y" * 1_000_000))] == [2_000_000, 2_000_000, 1_000_001]
    assert touched == []
    assert [one.status for one in repo.spans()] == ["ok"] * 4
    assert {one.parent for one in repo.spans(label="step")} == {only(repo, label="flow").id}
    assert [link.asked for link in repo.inputs(repo.spans(label="step")[0])] == [None, "keyed@k=a"]


@pytest.mark.parametrize("where", ["the body", "publishing"])
def test_an_awaited_task_that_is_cancelled_publishes_nothing(repo, monkeypatch, where):
    publishing, go_on = threading.Event(), threading.Event()

    def slow(*arguments):
        publishing.set()
        go_on.wait(10)
        return publish(*arguments)

    publish = calling.publish_outputs
    monkeypatch.setattr(calling, "publish_outputs", slow)

    @task
    async def step(given: list[int]) -> Annotated[int, NUMBER]:
        if where == "the body":
            await asyncio.sleep(10)
        return 1

    async def main():
        running = asyncio.ensure_future(step([1]))
        while not (publishing.is_set() if where == "publishing" else repo.spans(status="open")):
            await asyncio.sleep(0.001)
        running.cancel()
        await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert repo.current_span() is None

    asyncio.run(main())
    assert refs(repo) == []
    assert [(one.status, one.error["type"]) for one in repo.spans()] == [("failed", "CancelledError")]


def test_an_awaited_task_whose_query_finds_nothing_fails(repo):
    @task
    async def step(found: bytes = KEYED.query(k="a")) -> Annotated[bytes, NUMBER]:
        return found

    with pytest.raises(RefNotFound, match="step"):
        asyncio.run(step())
    assert [one.status for one in repo.spans()] == ["failed"]


def test_methods_are_tasks_too(repo):
    class Model:
        @task
        def fit(self, x: int) -> Annotated[int, NUMBER]:
            return x

    assert Model().fit(3) == 3
    assert repo.resolve("number").get() == 3


@task
def at_the_top(x: int) -> Annotated[int, NUMBER]:
    return x


def test_tasks_are_pickled_as_functions_are(repo, monkeypatch):
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or SimpleNamespace(at_the_top=at_the_top))
    assert pickle.loads(pickle.dumps(at_the_top)) is at_the_top

    @task
    def local(x: int) -> Annotated[int, NUMBER]:
        return x + 1

    again = pickle.loads(cloudpickle.dumps(local))
    assert again(1) == 2
    assert repo.resolve("number").get() == 2


def test_warnings_are_told_of_the_function_that_they_are_about(repo):
    def line_of(flow):
        return (__file__, flow.function.__code__.co_firstlineno)

    @task
    def half() -> Annotated[pd.DataFrame, TIMED(a="x")]:
        return pd.DataFrame({"x": [1]})

    @task
    async def lost() -> int:
        return KEYED(3, k="x")

    for flow, category in ((half, OpenPartitionWarning), (lost, UnusedCreationWarning)):
        with pytest.warns(category) as caught:
            launch(flow)
        assert [(one.filename, one.lineno) for one in caught] == [line_of(flow)]


def test_a_wrong_call_is_a_type_error_and_no_span(repo):
    @task
    def made(x: int) -> int:
        return x

    with pytest.raises(TypeError, match=r"made\(\): missing a required argument: 'x'"):
        made()
    assert repo.spans() == []


def test_a_task_may_have_a_label(repo):
    @task(name="step one")
    def made() -> int:
        return 1

    made()
    assert only(repo).label == "step one"


def test_without_a_repository_functions_run_plainly_and_warn_once(nowhere):
    @task
    def step(x: int) -> Annotated[int, KEYED]:
        return KEYED(x, k="a")

    @workflow
    def flow(x: int) -> tuple[int, Annotated[int, KEYED]]:
        return step(x), KEYED(x, k=Inputs.x)

    with pytest.warns(NoRepositoryWarning, match=r"flow\(\) runs as a plain function") as told:
        assert flow(1) == (1, 1)
        assert flow(2) == (2, 2)
    assert len(told) == 1


def test_without_a_repository_coroutines_warn_of_themselves(nowhere):
    @task
    async def step(x: int) -> int:
        return x

    with pytest.warns(NoRepositoryWarning, match=r"step\(\) runs as a plain function") as told:
        assert asyncio.run(step(1)) == 1
    assert [one.filename for one in told] == [__file__]


def test_without_a_repository_queries_find_nothing(nowhere):
    @task
    def needs(x: int = KEYED.query(k="a")) -> int:
        return x

    @task
    def may(x: Optional[int] = KEYED.query(k="a")) -> int | None:  # noqa: UP045 - both spellings work
        return x

    with pytest.warns(NoRepositoryWarning):
        assert needs(1) == 1
    with pytest.raises(NoRepository, match=r"x = keyed\.query\(k='a'\) needs a repository"):
        needs()
    with pytest.warns(NoRepositoryWarning):
        assert may() is None


def test_no_match_names_the_query(repo):
    @task
    def needs(region: str, x: int = KEYED.query(k=Inputs.region)) -> int:
        return x

    with pytest.raises(RefNotFound, match=r"needs\(x=…\): no artifact matches keyed\.query\(k='ZRH'\)"):
        needs("ZRH")
    assert only(repo).status == "failed"
