"""What a check of the repository found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cas.cli.render.text import Style, clean, count, size

if TYPE_CHECKING:
    from cas.repository.checking import Problem, Report

__all__ = ["report_lines"]

NEEDERS = 10


def report_lines(report: Report, style: Style) -> list[str]:
    """Each problem with where it is and who needs it, then the sum."""
    lines = []
    for problem in report.problems:
        lines += _problem_lines(problem, style)
    objects, segments = count(report.objects, "object"), count(report.segments, "ref log segment")
    checked = f"{objects} ({size(report.bytes)}) and {segments} checked"
    verdict = style("ok", fg="green") if report.ok else style(count(len(report.problems), "problem"), fg="red")
    return [*lines, f"{checked}: {verdict}"]


def _problem_lines(problem: Problem, style: Style) -> list[str]:
    lines = [f"{style(problem.kind, fg='red')}  {clean(problem.what)}"]
    if problem.where or problem.reason:
        lines.append(f"    in {clean(problem.where)}: {clean(problem.reason)}")
    needers = list(problem.needed_by)
    lines += [f"    needed by {clean(ref)}" for ref in needers[:NEEDERS]]
    if len(needers) > NEEDERS:
        lines.append(f"    … and {len(needers) - NEEDERS} more")
    return lines
