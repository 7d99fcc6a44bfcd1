"""What a check of the repository found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cas.cli.render.text import Style, clean, count

if TYPE_CHECKING:
    from cas.repository.checking import Problem, Report

__all__ = ["report_dict", "report_lines"]

NEEDERS = 10


def report_lines(report: Report, style: Style) -> list[str]:
    """Each problem with where it is and who needs it, then the sum."""
    lines = []
    for problem in report.problems:
        lines += _problem_lines(problem, style)
    checked = f"{count(report.objects, 'object')} and {count(report.segments, 'ref log segment')} checked"
    verdict = style("ok", fg="green") if report.ok else style(count(len(report.problems), "problem"), fg="red")
    return [*lines, f"{checked}: {verdict}"]


def report_dict(report: Report) -> dict[str, Any]:
    """The same for programs."""
    return {
        "ok": report.ok,
        "objects": report.objects,
        "segments": report.segments,
        "problems": [
            {
                "kind": problem.kind,
                "what": problem.what,
                "where": problem.where,
                "needed_by": list(problem.needed_by),
            }
            for problem in report.problems
        ],
    }


def _problem_lines(problem: Problem, style: Style) -> list[str]:
    where = f"  in {clean(str(problem.where))}" if problem.where else ""
    lines = [f"{style(problem.kind, fg='red')}  {clean(str(problem.what))}{where}"]
    needers = list(problem.needed_by)
    lines += [f"    needed by {clean(ref)}" for ref in needers[:NEEDERS]]
    if len(needers) > NEEDERS:
        lines.append(f"    … and {len(needers) - NEEDERS} more")
    return lines
