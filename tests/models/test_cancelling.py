"""A batch in which one fails cancels its slow siblings: what a cancelled call has not stored yet it never stores."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass

import pytest

import cas
from cas import aio
from cas.errors import CasError
from cas.models.serializers import Serializer


class Slow:
    """A value whose serializer waits for ``go``."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go = threading.Event()
        self.done = threading.Event()


class SlowSerializer(Serializer):
    name = "slow-for-cancelling"
    types = (Slow,)

    def serialize(self, value):
        value.begun.set()
        assert value.go.wait(30)
        value.done.set()
        return b"slow"

    def deserialize(self, data):
        return data


slow_serializer = SlowSerializer().register()


class Stubborn:
    """A value without a codec."""


@dataclass
class Holder(aio.ArtifactModel, version=1):
    value: Slow = cas.artifact_field(serializer=slow_serializer)


@pytest.fixture
def repo(tmp_path):
    repository = cas.use(tmp_path, create=True)
    with repository:
        yield repository
    repository.close()


async def begun(slow):
    await asyncio.to_thread(slow.begun.wait, 30)


async def let_go(slow):
    """Let the serializer end, and the thread after it."""
    slow.go.set()
    await asyncio.to_thread(slow.done.wait, 30)


async def settled(repo):
    """Wait until no thread holds the repository."""
    await asyncio.to_thread(lambda: repo.lock.acquire() and repo.lock.release())


def test_one_that_fails_cancels_its_slow_siblings(repo):
    """Each task stores an artifact; when one raises, a sibling that is still being serialized is cancelled, and nothing
    of it is stored although its thread goes on."""
    slow = Slow()

    async def fails():
        await begun(slow)
        raise ValueError("no")

    async def main():
        async with aio.span_context(label="batch") as span:
            tasks = [
                asyncio.ensure_future(aio.create_span_artifact("current", label="slow", data=Holder(slow))),
                asyncio.ensure_future(aio.create_span_artifact("current", label="later", data=Holder(Slow()))),
                asyncio.ensure_future(fails()),
            ]
            done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            assert done == {tasks[2]}
            for task in waiting:
                task.cancel()
            # At once, not when the slow one is through.
            ended = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
            assert [type(one) for one in ended] == [asyncio.CancelledError, asyncio.CancelledError, ValueError]
            assert not slow.done.is_set()
            await let_go(slow)
            await settled(repo)
            assert await aio.read_span_artifacts("current") == {}
            await aio.create_span_artifact("current", label="slow", data=1)  # the label is free
        return span

    span = asyncio.run(main())
    assert cas.read_span_artifacts(span) == {"slow": 1}


def test_a_failing_value_spares_the_rest_of_its_batch(repo):
    """One call of many values: none is stored, and those after the one that fails are not even serialized."""
    before, after = Slow(), Slow()
    before.go.set()

    async def main():
        async with aio.span_context(label="batch") as span:
            values = {"before": Holder(before), "fails": Holder(Stubborn()), "after": Holder(after)}
            with pytest.raises(CasError):
                await aio.create_span_artifacts("current", values)
            return span, await aio.read_span_artifacts("current")

    span, found = asyncio.run(main())
    assert found == cas.read_span_artifacts(span) == {}
    assert not after.begun.is_set()


@pytest.mark.parametrize("many", [False, True], ids=["one", "many"])
def test_a_cancelled_create_publishes_nothing(repo, many):
    """Outside of spans, where a label is a ref."""
    slow = Slow()

    async def main():
        task = asyncio.ensure_future(
            Holder.create_many({"plain": Plain(1), "slow": Holder(slow)}) if many else Holder(slow).create("slow")
        )
        await begun(slow)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await let_go(slow)
        await settled(repo)

    asyncio.run(main())
    assert repo.names() == []
    slow.done.clear()
    asyncio.run(Holder(slow).create("slow"))
    assert [info.name for info in repo.names()] == ["slow"]


@dataclass
class Plain(cas.ArtifactModel, version=1):
    x: int


def test_a_span_whose_opening_was_cancelled_is_closed(repo):
    async def opens():
        async with aio.span_context(label="never entered"):
            raise AssertionError

    async def main():
        with repo.lock:  # the thread that opens the span waits for it
            task = asyncio.ensure_future(opens())
            await asyncio.sleep(0.2)
            task.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert repo.session.open_spans == {}
    assert {(span.label, span.status) for span in repo.spans(cas.Span)} == {("never entered", "failed")}
