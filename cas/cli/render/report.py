"""What a check of the repository found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cas.cli.render.text import Style, clean, count, size

if TYPE_CHECKING:
    from cas.repository.checking import Problem, Report

__all__ = ["next_step", "report_lines"]

NEEDERS = 10


def report_lines(report: Report, style: Style) -> list[str]:
    """Each problem with where it is and who needs it, then the sum."""
    lines = []
    for problem in report.problems:
        lines += _problem_lines(problem, style)
    objects, segments = count(report.objects, "object"), count(report.segments, "ref log segment")
    checked = f"{objects} ({size(report.bytes)}) and {segments} checked"
    verdict = style("ok", fg="green") if report.ok else style(count(len(report.problems), "problem"), fg="red")
    lines.append(f"{checked}: {verdict}")
    return [*lines, *(f"put aside  objects/{clean(name)}" for name in report.aside)]


def next_step(report: Report) -> str | None:
    """What to do about what is wrong, where something can be done."""
    if not report.aside and any(problem.kind == "corrupt_object" for problem in report.problems):
        return "cas fsck --repair puts damaged packs aside; what they have lost can then be put or fetched again"
    if any(problem.kind in {"corrupt_object", "missing_object"} and problem.needed_by for problem in report.problems):
        return "put the same content again, or bring it: cas fetch --objects REMOTE:REF"
    return None


def _problem_lines(problem: Problem, style: Style) -> list[str]:
    lines = [f"{style(problem.kind, fg='red')}  {clean(problem.what)}"]
    if problem.where or problem.reason:
        lines.append(f"    in {clean(problem.where)}: {clean(problem.reason)}")
    needers = list(problem.needed_by)
    lines += [f"    needed by {clean(ref)}" for ref in needers[:NEEDERS]]
    if len(needers) > NEEDERS:
        lines.append(f"    … and {len(needers) - NEEDERS} more")
    return lines
