"""Runs one command line: the only place where errors become messages and exit codes."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence

import click

from cas.cli.table import root
from cas.cli.terminal import colour_wanted

__all__ = ["run"]

INTERRUPTED = 130
BROKEN_PIPE = 141  # what a shell reports for a program that SIGPIPE ended


def run(arguments: Sequence[str]) -> int:
    """Run ``cas ARGUMENTS`` and return the exit code. Never raises, never shows a traceback unless CAS_TRACEBACK=1."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # other people's deprecations are not the user's business
    if getattr(sys.stdout, "errors", "") == "strict" and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal of another encoding shows what it can
    try:
        code = _invoke(list(arguments))
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_stdout()
        return BROKEN_PIPE
    except (KeyboardInterrupt, click.Abort):
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:  # the last place that can turn it into one line
        if os.environ.get("CAS_TRACEBACK") == "1":
            raise
        return _report(error, arguments)
    return code if isinstance(code, int) else 0


def _invoke(arguments: list[str]) -> object:
    """As ``root.main`` does, which would answer broken pipes and interrupts in its own way."""
    if "_CAS_COMPLETE" in os.environ:  # the shell asks for completions
        root.main(args=arguments, prog_name="cas")
    try:
        with root.make_context("cas", arguments) as context:
            return root.invoke(context)
    except click.exceptions.Exit as ended:
        return ended.exit_code


def _report(error: Exception, arguments: Sequence[str]) -> int:
    from cas.cli.render.problems import problem_of, render_json, render_text  # plumbing that works starts without it

    problem = problem_of(error)
    if _wants_json(arguments):
        text = render_json(problem)
    else:
        text = render_text(problem, colour=colour_wanted(sys.stderr, arguments))
    try:
        sys.stdout.flush()
        print(text, file=sys.stderr, flush=True)
    except OSError:  # nobody listens any more; the exit code still tells
        _forget_stdout()
    return problem.exit_code


def _forget_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's own flush at exit cannot fail."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
    except (OSError, ValueError):  # stdout has no descriptor: nothing will flush it either
        pass


def _wants_json(arguments: Sequence[str]) -> bool:
    options = list(arguments)
    if "--" in options:
        options = options[: options.index("--")]
    return "--json" in options
