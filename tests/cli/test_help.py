from __future__ import annotations

import shlex

import click
import pytest

from cas.cli.help import TOPICS, help_text
from cas.cli.table import TABLE, command_of


def paths() -> list[list[str]]:
    found = []
    for name in TABLE:
        found.append([name])
        context, command = command_of([name])
        if isinstance(command, click.Group):
            found += [[name, verb] for verb in command.list_commands(context)]
    return found


@pytest.mark.parametrize("path", paths(), ids="-".join)
def test_every_command_has_help_with_an_example(path: list[str]) -> None:
    shown = help_text(path)
    _, _, examples = shown.partition("\nExamples:\n")
    assert any(
        line.strip().startswith("cas " + path[0]) or f"| cas {path[0]}" in line for line in examples.splitlines()
    )
    for line in examples.splitlines():
        shlex.split(line, comments=True)  # can be typed as it stands
    assert all(len(line) <= 100 for line in shown.splitlines())


@pytest.mark.parametrize("name", TABLE)
def test_table_says_the_first_line_of_the_help(name: str) -> None:
    _, command = command_of([name])
    assert command.help is not None
    assert command.help.splitlines()[0] == TABLE[name].short


@pytest.mark.parametrize("path", paths(), ids="-".join)
def test_every_reading_command_has_json(path: list[str]) -> None:
    _, command = command_of(path)
    if not isinstance(command, click.Group) and path[0] not in ("demo", "help"):
        assert "--json" in {name for parameter in command.params for name in parameter.opts}


@pytest.mark.parametrize("topic", TOPICS)
def test_topics_fit_a_terminal(topic: str) -> None:
    assert max(map(len, TOPICS[topic].splitlines())) <= 120
