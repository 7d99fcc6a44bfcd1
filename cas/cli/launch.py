"""``cas launch``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from cas.cli.command import Command, json_option, pass_terminal
from cas.cli.render.values import plain, to_json
from cas.cli.terminal import Terminal
from cas.errors import CasError, LaunchFailed

if TYPE_CHECKING:
    from cas.repository.info import SpanInfo
    from cas.repository.repository import Repository

__all__ = ["command", "show_failure", "use_working_directory"]


def use_working_directory() -> None:
    """Find modules in the working directory, as for python -m."""
    if "" not in sys.path:
        sys.path.insert(0, "")


def show_failure(terminal: Terminal, error: BaseException) -> None:
    """The traceback of a user's function, from their own code on."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/cas/flows/" not in frame.filename and "/cas/cli/" not in frame.filename]
    for line in traceback.format_list(own):
        terminal.note(line.rstrip("\n"))


@click.command(
    "launch",
    cls=Command,
    examples="""
cas launch mypkg.flows:train_daily region=ZRH kickoff=2024-05-01
cas launch flows:report regions=EWR,JFK rows:=10     # := takes JSON
cas launch flows:report data@=rides@region=ZRH       # @= takes a ref
cas launch flows:train_daily --lock train.lock.json
""",
)
@click.argument("place", metavar="MODULE:PLAN")
@click.argument("arguments", metavar="[NAME=VALUE]...", nargs=-1)
@click.option("--lock", metavar="FILE", help="Resolve refs and queries by what “cas lock” wrote.")
@json_option
@pass_terminal
def command(terminal: Terminal, *, place: str, arguments: tuple[str, ...], lock: str | None, as_json: bool) -> None:
    """Run a plan, workflow or task.

    It is found in a module of the working directory or an installed one. Each VALUE is read by the annotation of its
    parameter; where that is no plain type (a table, a model) it is a ref. Prints the result, and on stderr the run.
    """
    from cas.flows.finding import find_flow, read_arguments
    from cas.flows.launch import launch

    use_working_directory()
    found = find_flow(place)
    repository = terminal.repository(writing=True)
    given: dict[str, Any] = read_arguments(found, arguments, repository)
    with repository:
        try:
            result = launch(found, lock=lock, **given) if lock is not None else launch(found, **given)
        except CasError:
            raise
        except Exception as error:
            show_failure(terminal, error)
            span = _last_run(repository, found.name)
            raise LaunchFailed(
                f"{found.name} failed: {type(error).__name__}: {error}",
                hint=f"see its run: cas span show %{span.id[:12]}" if span is not None else None,
            ) from error
        span = _last_run(repository, found.name)
    if as_json:
        terminal.print_json({"result": plain(result), "span": span.id if span is not None else None})
        return
    if result is not None:
        terminal.print(to_json(result) if not hasattr(result, "columns") else str(result))
    if span is not None:
        made = ", ".join(version.ref for version in repository.outputs(span.id) if version.name)
        terminal.note(f"span %{span.id[:12]}  {found.name}  {span.status}" + (f"  made {made}" if made else ""))


def _last_run(repository: Repository, name: str) -> SpanInfo | None:
    roots = [span for span in repository.spans(label=name, limit=20) if span.parent is None]
    return roots[0] if roots else None
