"""What type checkers must understand of models and spans; lines marked `# error` must be refused, and no others. Not
run.
"""

from dataclasses import dataclass, field

import pandas as pd
from typing_extensions import assert_type

from cas import ArtifactModel, Span, aio, artifact_field, dataframe_serializer, linked, read_span, span_context, spanned


@dataclass
class Report(ArtifactModel, version=1):
    score: float
    tags: list[str] = field(default_factory=list)
    frame: pd.DataFrame | None = artifact_field(serializer=dataframe_serializer, default=None)


@dataclass
class Awaited(aio.ArtifactModel, version=1):
    score: float


class TrainingSpan(Span):
    learning_rate: float | None = None


@linked(include="a")
def halved(a: int) -> float:
    return a / 2


@spanned
async def doubled(a: int) -> int:
    return 2 * a


assert_type(Report(0.5).create("report"), str)
assert_type(Report.read("report"), Report)
Report(score=0.5, nope=1)  # error
Report("high")  # error

with span_context(label="plain") as plain:
    assert_type(plain, Span)
with span_context() as unnamed:
    assert_type(unnamed, Span)
with span_context(TrainingSpan(label="train", metadata={"a": 1}, learning_rate=0.1)) as training:
    assert_type(training, TrainingSpan)
    assert_type(training.learning_rate, float | None)
    assert_type(training.label, str | None)
with span_context(read_span("current"), metadata={"a": 1}) as again:
    assert_type(again, Span)
TrainingSpan(learning_rate="fast")  # error
TrainingSpan(rate=0.1)  # error
assert_type(halved(3), float)
halved("3")  # error


async def main() -> None:
    async with aio.span_context(label="plain") as span:
        assert_type(span, aio.Span)
        await span.link(3, label="three")
    async with aio.span_context(TrainingSpan(learning_rate=0.1)) as own:
        assert_type(own, TrainingSpan)
    assert_type(await Awaited(0.5).create("report"), str)
    assert_type(await Awaited.read("report"), Awaited)
    assert_type(await doubled(3), int)
