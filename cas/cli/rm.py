"""``cas rm``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import click

from cas.cli.command import Command, json_option, pass_terminal
from cas.cli.render.text import clean, count, short
from cas.cli.terminal import Terminal

if TYPE_CHECKING:
    from cas.repository.info import SpanInfo
    from cas.repository.repository import Repository

__all__ = ["command", "delete"]


class Plan(NamedTuple):
    """What goes, in words, and the runs that stay and read some of it."""

    what: list[str]
    dependents: list[SpanInfo]


def delete(repository: Repository, ref: str, *, really: bool) -> Plan:
    """What deleting a ref, ``%span`` or ``%span//label`` takes away; done where ``really``."""
    if not ref.startswith("%"):
        plan = repository.plan_delete(ref)
        dependents = _readers(repository, ref)
        if really:
            repository.delete(ref)
        return Plan(list(plan.what), dependents)
    from cas.models import deletion

    with repository:
        if "//" in ref:
            version = repository.resolve(ref)
            gone = deletion.delete_artifact(version.id) if really else deletion.plan_delete_artifact(version.id)
            return Plan([f"%{short(version.span)}//{version.label}", *gone.refs], gone.dependents)
        titles = _titles(repository, ref)
        span = repository.span_info(ref).id
        gone = deletion.delete_span(span) if really else deletion.plan_delete_span(span)
        return Plan([titles.get(one, one) for one in (*gone.spans, *gone.artifacts)], gone.dependents)


def _readers(repository: Repository, ref: str) -> list[SpanInfo]:
    """The runs that read one of the versions which a ref names."""
    from cas.repository import lineage

    return lineage.readers(repository, [bytes.fromhex(version.id) for version in repository.log(ref)])


def _titles(repository: Repository, span: str) -> dict[str, str]:
    """How each span and labelled artifact below a span is typed, by its id."""
    from cas.models.outline import outline

    titles = {}
    for one in outline(repository, repository.span_info(span).id):
        titles[one.info.id] = f"%{short(one.info.id)}  {one.info.label}"
        titles.update({item.id: f"%{short(one.info.id)}//{item.label}" for item in one.made if item.label is not None})
    return titles


@click.command(
    "rm",
    cls=Command,
    examples="""
cas rm model#1.3               # shows what would go, and which runs read it
cas rm model#1.3 --yes         # one version
cas rm model#prod --yes        # an alias
cas rm flights@origin=EWR --yes
cas rm %8c01de --yes           # a run, those inside it, and what they labelled
cas rm %8c01de//loss --yes     # one labelled artifact of a run
""",
)
@click.argument("ref", metavar="REF|%SPAN|%SPAN//LABEL")
@click.option("-y", "--yes", is_flag=True, help="Do it; without it only the plan is printed.")
@json_option
@pass_terminal
def command(terminal: Terminal, ref: str, yes: bool, as_json: bool) -> int:
    """Delete a version, an alias, a partition, a name, a run or a labelled artifact.

    Prints which runs read it and what goes, and does it with --yes. Only the names go: the objects stay until they are
    collected, and the history keeps a note.
    """
    plan = delete(terminal.repository(writing=yes), ref, really=yes)
    if as_json:
        terminal.print_json(
            {"deleted": yes, "what": plan.what, "dependents": [_item(span) for span in plan.dependents]}
        )
        return 0 if yes else 1
    for span in plan.dependents:
        terminal.print(f"read by  %{short(span.id)}  {clean(span.label)}")
    terminal.print("\n".join(f"{'deleted' if yes else 'would delete'}  {clean(item)}" for item in plan.what))
    if not yes:
        noun = "item" if ref.startswith("%") else "ref"
        terminal.note(f"{count(len(plan.what), noun)} would go; nothing was deleted. To do it: add --yes")
        return 1
    return 0


def _item(span: SpanInfo) -> dict[str, Any]:
    return {"id": span.id, "label": span.label}
