"""What decorating a function finds out, and refuses."""

import typing
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, Optional

import numpy as np
import pandas as pd
import pytest

from cas.errors import DeclarationError
from cas.flows import Artifact, Inputs, task, workflow
from cas.flows.interface import Interface

A = Artifact(name="a", partition_keys=["k"], time_partitioned=True)
B = Artifact(name="b", partition_keys=["k"])


class Mine(Artifact[int]):
    partitions = ["k"]


class Pair(NamedTuple):
    first: Annotated[int, B(k="x")]
    second: str


def outputs(function):
    return [(one.index, one.binding.facts.name) for one in Interface.of(function).outputs]


def test_outputs_are_found():
    def single() -> Annotated[int, A]: ...
    def declared() -> Mine: ...
    def both() -> tuple[int, Mine, Annotated[str, B(k=Inputs.x)], int]: ...
    def old_style() -> typing.Tuple[int, Mine]: ...  # noqa: UP006 - both spellings work
    def named() -> Pair: ...
    def optional() -> Optional[Annotated[int, B]]: ...  # noqa: UP045 - both spellings work
    def optional_bound() -> Optional[Annotated[int, B(k="x")]]: ...  # noqa: UP045
    def plain() -> int: ...
    def many() -> tuple[int, ...]: ...
    def class_in_annotated() -> Annotated[int, Mine]: ...

    both.__signature__ = None
    del both.__signature__

    def both_with_input(x: str) -> tuple[int, Mine, Annotated[str, B(k=Inputs.x)], int]: ...

    assert outputs(single) == [(None, "a")]
    assert outputs(declared) == [(None, "Mine")]
    assert outputs(both_with_input) == [(1, "Mine"), (2, "b")]
    assert outputs(old_style) == [(1, "Mine")]
    assert outputs(named) == [(0, "b")]
    assert outputs(optional) == outputs(optional_bound) == [(None, "b")]
    assert outputs(plain) == outputs(many) == []
    assert outputs(class_in_annotated) == [(None, "Mine")]
    with pytest.raises(DeclarationError, match=r"binds 'b' to Inputs\.x, and the function has no such input"):
        Interface.of(both)


def test_annotations_as_text_see_local_names():
    local = Artifact(name="local")

    @task
    def made() -> "Annotated[int, local]": ...

    assert [one.binding.facts.name for one in made.interface.outputs] == ["local"]


def test_a_return_annotation_that_cannot_be_read_is_refused():
    with pytest.raises(DeclarationError, match="cannot be evaluated"):

        @task
        def made() -> "Annotated[int, nowhere]": ...  # noqa: F821 - it is not there


def test_an_input_annotation_that_cannot_be_read_is_let_be():
    @task
    def made(x: "Nowhere") -> "Annotated[int, B]": ...  # noqa: F821

    assert made.interface.optional == frozenset()
    assert len(made.interface.outputs) == 1


@pytest.mark.parametrize("decorate", [task, workflow])
def test_mistakes_are_found_when_decorated(decorate):
    with pytest.raises(DeclarationError, match="the function has no such input"):

        @decorate
        def unknown(x: str) -> Annotated[int, B(k=Inputs.y)]: ...

    with pytest.raises(DeclarationError, match=r"the query of 'q' needs Inputs\.y"):

        @decorate
        def missing(x: str, q: int = B.query(k=Inputs.y)): ...

    with pytest.raises(DeclarationError, match=r"the query of 'q' needs Inputs\.q"):

        @decorate
        def itself(q: int = B.query(k=Inputs.q)): ...

    with pytest.raises(DeclarationError, match="refers to 'a', which no other parameter holds"):

        @decorate
        def foreign(q: int = B.query(k=A.partitions.k)): ...

    with pytest.raises(DeclarationError, match="need one another"):

        @decorate
        def circle(p: int = A.query(k=Inputs.q), q: int = B.query(k=Inputs.p)): ...

    with pytest.raises(DeclarationError, match="several artifacts"):

        @decorate
        def two() -> Annotated[int, A, B]: ...

    with pytest.raises(DeclarationError, match="is a query"):

        @decorate
        def query() -> Annotated[int, B.query(k="x")]: ...

    with pytest.raises(DeclarationError, match=r"binds 'b' to Inputs\.x, a collection, which has no partition string"):

        @decorate
        def collection(x: list[str]) -> Annotated[int, B(k=Inputs.x)]: ...

    with pytest.raises(DeclarationError, match=r"binds 'b' to Inputs\.x, a collection"):

        @decorate
        def several(*x: str) -> Annotated[int, B(k=Inputs.x)]: ...

    with pytest.raises(DeclarationError, match="Artifact itself declares nothing"):

        @decorate
        def undeclared() -> Artifact[int]: ...

    with pytest.raises(DeclarationError, match="Artifact itself declares nothing"):

        @decorate
        def bare() -> Annotated[int, Artifact]: ...

    with pytest.raises(DeclarationError, match="is no function"):
        decorate(5)

    with pytest.raises(DeclarationError, match="yields"):

        @decorate
        def generator() -> Annotated[int, B]:
            yield 1


@pytest.mark.parametrize(
    "annotation",
    [
        list[Mine],
        dict[str, Annotated[int, B]],
        tuple[Mine, ...],
        tuple[int, list[Mine]],
        Optional[tuple[int, Mine]],  # noqa: UP045 - both spellings work
    ],
)
def test_artifacts_inside_a_result_are_refused(annotation):
    def made(): ...

    made.__annotations__["return"] = annotation
    with pytest.raises(DeclarationError, match="only a result itself"):
        task(made)


def test_queries_are_ordered_by_what_they_need():
    @task
    def ordered(
        t: datetime,
        last: int = B.query(k=A.partitions.k),
        first: int = A.query(time_partition=Inputs.t - timedelta(days=1)),
    ): ...

    assert list(ordered.interface.queries) == ["first", "last"]


def test_parameters_that_take_none():
    @task
    def optional(a: typing.Union[int, None], b: int | None, c: int, d: "Annotated[int | None, 'x']", e=None): ...  # noqa: UP007 - both spellings work

    assert optional.interface.optional == {"a", "b", "d"}


def test_a_task_looks_like_its_function():
    @task
    def documented(x: int) -> int:
        """Says what."""
        return x

    assert documented.__doc__ == "Says what."
    assert documented.__name__ == "documented"
    assert repr(documented).startswith("<task ")


@pytest.mark.parametrize("kind", [str, int, bool, Any, object, datetime | None, Literal["x"], np.int64, Sequence[str]])
def test_what_an_input_may_be_is_left_to_the_run(kind):
    def function(x: kind) -> Annotated[int, B(k=Inputs.x)]: ...

    assert Interface.of(function, {"kind": kind}).outputs


@pytest.mark.parametrize("kind", [bytes, pd.DataFrame, Decimal, list[str] | None, None])
def test_what_an_input_can_never_be_is_told_at_once(kind):
    def function(x: kind) -> Annotated[int, B(k=Inputs.x)]: ...

    with pytest.raises(DeclarationError, match=r"binds 'b' to Inputs\.x, which has no partition string"):
        Interface.of(function, {"kind": kind})


def test_objects_that_can_be_called_have_outputs_too():
    class Step:
        def __call__(self, x: str) -> Annotated[int, B(k=Inputs.x)]:
            return 1

    found = Interface.of(Step())
    assert (found.name, found.names, len(found.outputs)) == ("Step", ("x",), 1)
    assert found.place[0] == __file__


@pytest.mark.parametrize("kind", [bytes, pd.DataFrame, Decimal, None])
def test_a_query_does_not_ask_by_what_has_no_text(kind):
    def function(x: kind, data: int = B.query(k=Inputs.x)): ...

    with pytest.raises(DeclarationError, match=r"the query of 'data' needs Inputs\.x, which has no partition string"):
        Interface.of(function, {"kind": kind})


@pytest.mark.parametrize("kind", [int, bytes, list[datetime]])
def test_a_query_does_not_ask_for_a_time_that_is_none(kind):
    def at(x: kind, data: int = A.query(time=Inputs.x)): ...
    def since(x: kind, data: int = A.query(time=(Inputs.x, None))): ...

    for function in (at, since):
        with pytest.raises(DeclarationError, match=r"the query of 'data' needs Inputs\.x, which is no time"):
            Interface.of(function, {"kind": kind})


@pytest.mark.parametrize("kind", [str, list[str], set[int], Sequence[str], str | None, Any])
def test_a_query_may_ask_by_lists(kind):
    def function(x: kind, data: int = B.query(k=Inputs.x)): ...

    assert Interface.of(function, {"kind": kind}).queries


@pytest.mark.parametrize("kind", [int, float, bool, bytes])
def test_a_time_is_not_bound_to_an_input_that_is_none(kind):
    timed = Artifact(name="timed", partition_keys=["k"], time_partitioned=True)

    def as_time(x: kind) -> Annotated[int, timed(time_partition=Inputs.x)]: ...
    def as_moved(x: kind) -> Annotated[int, timed(k=Inputs.x - timedelta(days=1))]: ...

    for function in (as_time, as_moved):
        with pytest.raises(DeclarationError, match=r"which is no time"):
            Interface.of(function, {"kind": kind, "timed": timed})
