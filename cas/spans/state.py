"""What an open span has collected so far: pure bookkeeping, no effects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cas.errors import SpanError
from cas.objects.ids import ArtifactId, ObjectId, SpanId
from cas.spans.records import Intent, SpanClose, SpanInput, SpanOpen, SpanOutput

__all__ = ["SpanState"]


class SpanState:
    """The links of one open span, in the order in which they came about."""

    def __init__(self, span_id: SpanId, opened: SpanOpen, previous: ObjectId | None = None) -> None:
        self.span_id = span_id
        self.opened = opened
        self.previous = previous
        self.labels: dict[str, ArtifactId] = {}
        self.children: list[ObjectId] = []
        self._inputs: dict[SpanInput | tuple[object, ...], SpanInput] = {}
        self._read: set[ArtifactId] = set()
        self._outputs: list[SpanOutput] = []
        self._parents: dict[SpanId, None] = {opened.parent: None} if opened.parent is not None else {}

    @property
    def inputs(self) -> list[SpanInput]:
        """What was read, in order."""
        return list(self._inputs.values())

    @property
    def outputs(self) -> list[SpanOutput]:
        """What was made, in order."""
        return list(self._outputs)

    def outputs_after(self, count: int) -> list[SpanOutput]:
        """What was made after the first ``count`` outputs."""
        return self._outputs[count:]

    def read(self, one: SpanInput, maker: SpanId | None) -> None:
        """Note an input, once however often it is read, and the span that made it as a parent. What the span made
        itself is no input of it."""
        if maker == self.span_id and maker is not None:
            return
        key = (one.artifact, one.ref, one.name) if one.literal is None else (*one.literal[:3], one.ref, one.name)
        # The value of what was resolved before is read without asking again.
        if one.artifact is None or one.artifact not in self._read or one.ref is not None or one.name is not None:
            self._inputs.setdefault(key, one)
        if one.artifact is not None:
            self._read.add(one.artifact)
        if maker is not None:
            self._parents[maker] = None

    def check_labels(self, labels: Iterable[str]) -> None:
        """Raises SpanError where a label is taken already, or comes twice."""
        seen: set[str] = set()
        for label in labels:
            if label in self.labels or label in seen:
                raise SpanError(
                    f"span {self.opened.label!r} already has an artifact labelled {label!r}; nothing was stored",
                    hint="choose another label, or open a child span",
                )
            seen.add(label)

    def made(self, artifact: ArtifactId, label: str | None, ref: str | None) -> None:
        """Note an output."""
        if label is not None:
            self.labels[label] = artifact
        self._outputs.append(SpanOutput(artifact, label, ref))

    def close(self, status: str, time: int, error: dict[str, Any] | None, intents: list[Intent]) -> SpanClose:
        """The closing record of all that was noted."""
        return SpanClose(
            self.span_id,
            status,
            time,
            error,
            self.inputs,
            self.outputs,
            list(self._parents),
            self.children,
            intents,
            self.previous,
        )
