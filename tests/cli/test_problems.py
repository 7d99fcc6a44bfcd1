from __future__ import annotations

import json

import click
import pytest

from cas import errors
from cas.cli.render.problems import problem_of, render_json, render_text

CODES = {
    errors.CasError: 1,
    errors.UsageError: 2,
    errors.PartialFailure: 3,
    errors.NoRepository: 10,
    errors.Locked: 11,
    errors.AuthError: 12,
    errors.RefConflict: 13,
    errors.VersionConflict: 13,
    errors.RefNotFound: 14,
    errors.ObjectNotFound: 14,
    errors.HashMismatch: 15,
}


@pytest.mark.parametrize(("kind", "code"), CODES.items(), ids=lambda value: getattr(value, "__name__", None))
def test_exit_codes(kind: type[errors.CasError], code: int) -> None:
    assert problem_of(kind("it broke")).exit_code == code


def test_every_error_has_a_kind_of_its_own() -> None:
    kinds = [getattr(errors, name).kind for name in errors.__all__]
    assert len(kinds) == len(set(kinds))


def test_message_and_hint() -> None:
    problem = problem_of(errors.NoRepository("no repository here", hint="cas init"))
    assert render_text(problem) == "error: no repository here\nhint: cas init"


def test_caret_stands_under_the_fault() -> None:
    error = errors.RefSyntax("expected key=value", text="model@prod", position=6, hint="did you mean model#prod?")
    assert render_text(problem_of(error)).splitlines() == [
        "error: expected key=value",
        "    model@prod",
        "          ^",
        "hint: did you mean model#prod?",
    ]


def test_caret_in_long_and_hostile_text() -> None:
    error = errors.RefSyntax("bad", text="\x1b" + "x" * 5000 + "!" + "y" * 5000, position=5001)
    _, shown, caret, _ = render_text(problem_of(error)).splitlines()
    assert len(shown) < 120
    assert shown[caret.index("^")] == "!"


def test_suggestions_are_listed_once() -> None:
    error = errors.RefNotFound("no version of flihgts", suggestions=("flights", "flights_raw"))
    assert render_text(problem_of(error)).splitlines()[1:] == ["did you mean:", "    flights", "    flights_raw"]
    said = errors.RefNotFound("no flihgts; did you mean flights?", suggestions=("flights",))
    assert len(render_text(problem_of(said)).splitlines()) == 1


def test_json() -> None:
    error = errors.AmbiguousRef("several match", candidates=("a#1", "b#1"), hint="say which")
    assert json.loads(render_json(problem_of(error))) == {
        "kind": "ambiguous",
        "message": "several match",
        "exit_code": 2,
        "hint": "say which",
        "candidates": ["a#1", "b#1"],
    }


def test_errors_of_others() -> None:
    assert render_text(problem_of(PermissionError(13, "Permission denied", "a.csv"))).splitlines() == [
        "error: a.csv: permission denied",
        "hint: look at the permissions and the space there, then run it again",
    ]
    assert problem_of(click.UsageError("No such thing.")).exit_code == 2
    internal = problem_of(KeyError("x"))
    assert (internal.kind, internal.exit_code) == ("internal", 1)
    assert render_text(internal).startswith("internal error: KeyError: 'x'\nhint: ")


@pytest.mark.parametrize(
    "kind",
    [
        errors.RefSyntax,
        errors.AmbiguousRef,
        errors.HashMismatch,
        errors.PackCorrupt,
        errors.RefNotFound,
        errors.ObjectNotFound,
        errors.StorageError,
        errors.RemoteProtocol,
    ],
)
def test_every_refusal_says_what_to_do_next(kind: type[errors.CasError]) -> None:
    assert problem_of(kind("it broke")).hint
    assert problem_of(kind("it broke", hint="do this")).hint == "do this"
    assert problem_of(PermissionError(13, "Permission denied", "x")).hint
