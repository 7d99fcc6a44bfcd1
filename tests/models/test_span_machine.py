"""Spans opened, closed, failed, entered again, added to and deleted in any order, beside a model of them.

Whatever tells a span at the moment (it is open here, closed inside an open one, lent by the log), every question gives
what the model says; so it does with a catalog made anew.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

import cas
from cas.errors import SpanError


@dataclass
class Modelled:
    """What is known of one span."""

    parent: str | None
    status: str = "open"
    artifacts: dict[str, int] = field(default_factory=dict)


class Machine:
    """A repository, and what it should say."""

    def __init__(self, repository, seed):
        self.repository = repository
        self.random = random.Random(seed)
        self.spans: dict[str, Modelled] = {}
        self.stack = []
        self.count = 0

    def step(self):
        verbs = (self.open, self.open, self.leave, self.log, self.log, self.again, self.add, self.refused, self.delete)
        self.random.choice((*verbs, self.delete_span, self.check))()

    # --- what may happen -------------------------------------------------------------------------

    def open(self):
        if len(self.stack) < 5:
            parent = self.stack[-1][1] if self.stack else None
            ident = self._enter(cas.span_context(label="span"))
            self.spans[ident] = Modelled(parent)

    def leave(self):
        if self.stack:
            context, ident = self.stack.pop()
            error = self.random.choice((None, ValueError("no")))
            context.__exit__(None if error is None else ValueError, error, None)
            if ident not in (other for _, other in self.stack):
                self.spans[ident].status = "ok" if error is None else "failed"

    def log(self):
        if self.stack:
            made = {self._label(): self.count for _ in range(self.random.choice((1, 3)))}
            cas.create_span_artifacts("current", made)
            self.spans[self.stack[-1][1]].artifacts.update(made)

    def again(self):
        ident = self.random.choice([None, *self.spans])
        if ident is not None and len(self.stack) < 5:
            self._enter(cas.span_context(cas.read_span(ident)))
            self.spans[ident].status = "open"

    def add(self):
        ident = self._closed()
        if ident is not None:
            label = self._label()
            cas.create_span_artifact(ident, label=label, data=self.count)
            self.spans[ident].artifacts[label] = self.count
            self.spans[ident].status = "ok"

    def refused(self):
        if (found := self._artifact(self.spans)) is not None:
            with pytest.raises(SpanError, match="already has an artifact labelled"):
                cas.create_span_artifact(found[0], label=found[1], data=0)

    def delete(self):
        closed = {ident: one for ident, one in self.spans.items() if one.status != "open"}
        if (found := self._artifact(closed)) is not None:
            ident, label = found
            (artifact,) = [one.id for one in cas.read_child_artifacts(ident) if one.label == label]
            cas.delete_artifact(artifact)
            del self.spans[ident].artifacts[label]

    def delete_span(self):
        ident = self._closed()
        if ident is None:
            return
        below = self._below(ident)
        if any(self.spans[one].status == "open" for one in below):
            with pytest.raises(SpanError, match="is open"):
                cas.delete_span(ident)
            return
        cas.delete_span(ident)
        for one in (ident, *below):
            del self.spans[one]

    # --- what is said then -----------------------------------------------------------------------

    def check(self):
        for ident, one in self.spans.items():
            assert list(cas.read_span_artifacts(ident).items()) == list(one.artifacts.items())
            assert cas.read_span(ident).status == one.status
            parent = cas.read_parent_span(ident)
            assert (parent and parent.node_id) == one.parent
            children = [other for other, told in self.spans.items() if told.parent == ident]
            assert [span.node_id for span in cas.read_child_spans(ident)] == children
            below = self._below(ident)
            assert [span.node_id for span in cas.read_descendant_spans(ident)] == below
            assert [(found.span_id, found.label, found.value) for found in cas.read_descendant_artifacts(ident)] == [
                (other, label, value)
                for other in (ident, *below)
                for label, value in self.spans[other].artifacts.items()
            ]
            assert [span.node_id for span in cas.read_ancestor_spans(ident)] == self._above(ident)
        for status in ("open", "ok", "failed"):
            wanted = {ident for ident, one in self.spans.items() if one.status == status}
            assert {span.node_id for span in self.repository.spans(cas.SpanFilter(status=status))} == wanted
            assert {span.id for span in self.repository.spans(status=status)} == wanted
        found = self.repository.find(cas.ArtifactFilter(label="l*"))
        labelled = {(ident, label) for ident, one in self.spans.items() for label in one.artifacts}
        assert {(version.span, version.label) for version in found} == labelled

    # --- the model -------------------------------------------------------------------------------

    def _enter(self, context):
        span = context.__enter__()
        self.stack.append((context, span.node_id))
        return span.node_id

    def _label(self):
        self.count += 1
        return f"l{self.count}"

    def _closed(self):
        return self.random.choice([None, *(ident for ident, one in self.spans.items() if one.status != "open")])

    def _artifact(self, spans):
        return self.random.choice([None, *((ident, label) for ident, one in spans.items() for label in one.artifacts)])

    def _below(self, ident):
        found, level = [], [ident]
        while level:
            level = [other for other, one in self.spans.items() if one.parent in level]
            found += level
        return found

    def _above(self, ident):
        found = []
        while (ident := self.spans[ident].parent) is not None:
            found.append(ident)
        return found


@pytest.mark.parametrize("seed", range(12))
def test_every_order_of_things(tmp_path, seed):
    with cas.init(tmp_path) as repository:
        machine = Machine(repository, seed)
        for _ in range(50):
            machine.step()
        while machine.stack:
            machine.leave()
        machine.check()
        repository.catalog.database.rebuild()
        machine.check()
        assert repository.fsck().ok
    repository.close()
