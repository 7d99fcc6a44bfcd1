"""``cas launch``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cas.cli.command import Command, json_option, pass_terminal
from cas.cli.render.values import plain, to_json
from cas.cli.terminal import Terminal
from cas.errors import CasError, LaunchFailed

if TYPE_CHECKING:
    from cas.repository.repository import Repository

__all__ = ["command", "users_code"]


@contextmanager
def users_code(terminal: Terminal, *, as_json: bool) -> Iterator[None]:
    """A block that runs code of the user's: modules are found in the working directory, as for python -m.

    Where a module cannot be imported its own traceback is shown. With JSON on stdout, what the code prints there goes
    to stderr.
    """
    if "" not in sys.path:
        sys.path.insert(0, "")
    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        try:
            yield
        except LaunchFailed as failed:
            if failed.__cause__ is not None:
                show_failure(terminal, failed.__cause__)
            raise


def show_failure(terminal: Terminal, error: BaseException) -> None:
    """The traceback of a user's code, without what is ours and Python's import system's."""
    import traceback

    ours = ("<frozen importlib", *(f"{path.parent}{os.sep}" for path in (Path(__file__).parent, _IMPORTLIB)))
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(ours)]
    lines = traceback.format_list(own)
    if isinstance(error, SyntaxError):  # says by itself where
        lines += traceback.format_exception_only(error)[:-1]
    for line in lines:
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
    from cas.flows.run import entered_run

    with users_code(terminal, as_json=as_json):
        found = find_flow(place)
        repository = terminal.repository(writing=True)
        given: dict[str, Any] = read_arguments(found, arguments, repository)
        with repository, entered_run() as run:
            try:
                result = launch(found, lock=lock, **given) if lock is not None else launch(found, **given)
            except CasError:
                raise
            except Exception as error:
                raise LaunchFailed(
                    f"{found.name} failed: {type(error).__name__}: {error}",
                    hint=f"see its run: cas span show %{run.root[:12]}" if run.root is not None else None,
                ) from error
    if as_json:
        terminal.print_json({"result": plain(result), "span": run.root})
        return
    if result is not None:
        terminal.print(to_json(result) if not hasattr(result, "columns") else str(result))
    if run.root is not None:
        made = _made(repository, run.root)
        terminal.note(f"span %{run.root[:12]}  {found.name}  ok" + (f"  made {made}" if made else ""))


def _made(repository: Repository, root: str) -> str:
    """What a run published, in its span and those inside it."""
    from cas.models.queries import read_descendant_spans

    with repository:
        spans = [root, *(str(span.id) for span in read_descendant_spans(root, limit=_SHOWN))]
    made = [version.ref for span in spans for version in repository.outputs(span) if version.name]
    return ", ".join(made[:_SHOWN]) + (", …" if len(made) > _SHOWN or len(spans) > _SHOWN else "")


_SHOWN = 10
_IMPORTLIB = Path(import_module.__code__.co_filename)
