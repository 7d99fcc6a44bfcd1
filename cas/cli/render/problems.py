"""Errors as messages, JSON and exit codes (docs/cli.md, Exit codes)."""

from __future__ import annotations

from typing import Any, NamedTuple

import click

from cas.cli.render.text import clean
from cas.errors import (
    AmbiguousRef,
    CasError,
    CorruptObject,
    NotFound,
    RefSyntax,
    RemoteError,
    StorageError,
    UnsupportedRemote,
)

__all__ = ["Problem", "problem_of", "render_json", "render_text"]

USAGE = 2
WIDTH = 100
_LINES = "\n"
_STORAGE = "look at the permissions and the space there, then run it again"
# What to do next where the error itself does not say it better.
_NEXT = (
    (RefSyntax, "see how refs are written: cas help refs"),
    (AmbiguousRef, "give more digits, or the whole partition"),
    (CorruptObject, "see what is damaged: cas fsck"),
    (NotFound, "see the names: cas ls"),
    (StorageError, _STORAGE),
    (UnsupportedRemote, "docs/remotes says what each store needs"),
    (RemoteError, "run it again; docs/remotes says what each store needs"),
)


class Problem(NamedTuple):
    """An error, ready to be shown."""

    kind: str
    message: str
    exit_code: int
    hint: str | None = None
    text: str = ""
    position: int = 0
    listed: tuple[str, ...] = ()
    listed_as: str = ""
    label: str = "error"


def problem_of(error: BaseException) -> Problem:
    """The problem that an exception stands for."""
    if isinstance(error, CasError):
        return _of_cas(error)
    if isinstance(error, click.ClickException):
        return _of_click(error)
    if isinstance(error, OSError) and error.strerror:
        where = f"{_name(error.filename)}: " if error.filename is not None else ""
        return Problem("storage", f"{where}{error.strerror[:1].lower()}{error.strerror[1:]}", 1, _STORAGE)
    return Problem(
        "internal",
        f"{type(error).__name__}: {error}".rstrip(": ").replace("\n", " "),
        1,
        hint="this is a bug in cas; CAS_TRACEBACK=1 shows where",
        label="internal error",
    )


def _of_cas(error: CasError) -> Problem:
    text, position = (error.text, error.position) if isinstance(error, RefSyntax) else ("", 0)
    listed: tuple[str, ...] = ()
    listed_as = ""
    for attribute, title in (("suggestions", "did you mean"), ("candidates", "candidates"), ("missing", "missing")):
        found = tuple(getattr(error, attribute, ()))
        if found:
            listed, listed_as = found, title
    hint = error.hint
    if hint is None and not listed:  # near misses and candidates are a next step themselves
        hint = next((step for kind, step in _NEXT if isinstance(error, kind)), None)
    return Problem(error.kind, error.message, error.exit_code, hint, text, position, listed, listed_as)


def _of_click(error: click.ClickException) -> Problem:
    hint = None
    context = getattr(error, "ctx", None)
    possibilities = tuple(getattr(error, "possibilities", None) or ())
    if isinstance(error, click.UsageError) and context is not None:
        hint = f"{context.command_path} --help"
        if isinstance(error, click.NoSuchOption) and error.option_name in _options_of_cas(context):
            hint = f"{error.option_name} is for every command, and comes before it: cas {error.option_name} …"
    message = error.format_message().strip()
    message = message[:1].lower() + message[1:].rstrip(".")
    return Problem(
        "usage", message, USAGE, hint, listed=possibilities, listed_as="did you mean" if possibilities else ""
    )


def _options_of_cas(context: click.Context) -> set[str]:
    return {name for parameter in context.find_root().command.params for name in parameter.opts}


def render_text(problem: Problem, *, colour: bool = False) -> str:
    """Lines for stderr: ``error: …``, a caret under the fault, what was meant, ``hint: …``."""
    label = click.style(f"{problem.label}:", fg="red", bold=True) if colour else f"{problem.label}:"
    lines = [f"{label} {clean(problem.message, keep=_LINES)}"]
    if problem.text:
        lines.extend(f"    {line}" for line in _pointed(problem.text, problem.position))
    if problem.listed and not all(item in problem.message for item in problem.listed):
        lines.append(f"{problem.listed_as}:")
        lines.extend(f"    {clean(item)}" for item in problem.listed[:20])
        if len(problem.listed) > 20:
            lines.append(f"    … and {len(problem.listed) - 20} more")
    if problem.hint:
        label = click.style("hint:", fg="yellow") if colour else "hint:"
        lines.append(f"{label} {clean(problem.hint, keep=_LINES)}")
    return "\n".join(lines)


def render_json(problem: Problem) -> str:
    """One JSON object: kind, message, exit_code, and hint, text, position, candidates where there are any."""
    import json

    found: dict[str, Any] = {"kind": problem.kind, "message": problem.message, "exit_code": problem.exit_code}
    if problem.hint:
        found["hint"] = problem.hint
    if problem.text:
        found["text"], found["position"] = problem.text, problem.position
    if problem.listed:
        found["candidates"] = list(problem.listed)
    return json.dumps(found, ensure_ascii=False)


def _pointed(text: str, position: int) -> tuple[str, str]:
    """The text and a caret under its fault; of a long text only what is around it."""
    position = min(max(position, 0), len(text))
    start = max(0, position - WIDTH // 2) if len(text) > WIDTH else 0
    before, after = clean(text[start:position]), clean(text[position : start + WIDTH])
    lead = "…" if start else ""
    tail = "…" if len(text) > start + WIDTH else ""
    return lead + before + after + tail, " " * len(lead + before) + "^"


def _name(path: object) -> str:
    return path.decode(errors="replace") if isinstance(path, bytes) else str(path)
