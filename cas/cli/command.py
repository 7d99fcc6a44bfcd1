"""What all commands share: examples in the help, the common options, and how to reach the terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from cas.cli.terminal import Terminal
from cas.errors import UsageError

__all__ = [
    "Command",
    "Group",
    "json_option",
    "limit_option",
    "metadata_option",
    "pass_terminal",
    "read_json",
    "read_metadata",
    "whole_number",
]

HELP = {"help_option_names": ["-h", "--help"]}
F = TypeVar("F", bound=Callable[..., Any])


class _Examples:
    """Help that ends with examples, a command a line, shown as they are written."""

    examples: str

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, not rewrapped."""
        if self.examples:
            formatter.write("\nExamples:\n")
            formatter.write("".join(f"  {line}".rstrip() + "\n" for line in self.examples.splitlines()))


class Command(_Examples, click.Command):
    """A command with ``examples``."""

    def __init__(self, *arguments: Any, examples: str, **options: Any) -> None:
        super().__init__(*arguments, **{"context_settings": HELP, **options})
        self.examples = examples.strip("\n")


class Group(_Examples, click.Group):
    """A command of several verbs, with ``examples``."""

    def __init__(self, *arguments: Any, examples: str, **options: Any) -> None:
        super().__init__(*arguments, **{"context_settings": HELP, "no_args_is_help": False, **options})
        self.examples = examples.strip("\n")


def limit_option(command: F) -> F:
    """``-n COUNT``, on every command that lists."""
    return click.option("-n", "limit", type=whole_number, metavar="COUNT", help="Show at most COUNT.")(command)


def whole_number(text: str) -> int:
    """A number from 0 up, as a type of click. Raises click.BadParameter."""
    if not text.isdecimal():
        raise click.BadParameter(f"{text!r} is not a number from 0 up")
    return int(text)


pass_terminal = click.make_pass_decorator(Terminal)


def json_option(command: F) -> F:
    """``--json``, on every command that reads."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def metadata_option(text: str) -> Callable[[F], F]:
    """``-m key=value``, to be read by :func:`read_metadata`."""
    return click.option("-m", "--metadata", "pairs", multiple=True, metavar="KEY=VALUE", help=text)


def read_metadata(pairs: tuple[str, ...]) -> dict[str, Any]:
    """``key=value`` gives a string, ``key:=json`` any JSON value (as HTTPie writes it). Raises UsageError."""
    metadata: dict[str, Any] = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not key.rstrip(":"):
            raise UsageError(f"metadata {pair!r} is not key=value", hint="-m source=faa, or -m rows:=42 for a number")
        if key.endswith(":"):
            metadata[key[:-1]] = read_json(value, f"metadata {key[:-1]!r}")
        else:
            metadata[key] = value
    return metadata


def read_json(text: str | bytes, where: str) -> Any:
    """The value of a JSON text. Raises UsageError that says where it breaks; NaN and repeated keys are no JSON."""
    import json

    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique)
    except RecursionError:
        raise UsageError(f"{where} is nested too deep") from None
    except ValueError as error:
        raise UsageError(
            f"{where} is not JSON: {error}",
            hint="a string needs its own quotes: '\"text\"'" if len(text) < 80 else None,
        ) from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        repeated = next(key for key, _ in pairs if sum(key == other for other, _ in pairs) > 1)
        raise ValueError(f"key {repeated!r} occurs twice")
    return found
