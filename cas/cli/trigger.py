"""``cas trigger list``, ``run`` and ``watch``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cas.cli.command import Command, Group, json_option, pass_terminal
from cas.cli.launch import users_code
from cas.cli.render.text import clean, columns
from cas.cli.render.values import plain, to_json
from cas.cli.terminal import Terminal

if TYPE_CHECKING:
    from cas.flows.launch import LaunchPlan
    from cas.flows.triggers import Launch
    from cas.repository.repository import Repository

__all__ = ["command", "plan_dict"]


def plan_dict(plan: LaunchPlan, repository: Repository) -> dict[str, Any]:
    """A plan with what triggers it, and how far that has come."""
    from cas.flows.triggers import launches, pending

    assert plan.trigger is not None
    done = launches(plan, repository)
    return {
        "plan": plan.name,
        "on": str(plan.trigger.wanted),
        "inputs": {name: repr(value) for name, value in plan.trigger.inputs.items()},
        "launched": len(done),
        "failed": sum(one["status"] != "ok" for one in done),
        "pending": [version.ref for version in pending(plan, repository)],
    }


def _plans(terminal: Terminal, places: tuple[str, ...], *, as_json: bool) -> list[LaunchPlan]:
    from cas.flows.finding import find_plans

    with users_code(terminal, as_json=as_json):
        return find_plans(places)


def _launch_dict(launch: Launch) -> dict[str, Any]:
    return {**launch._asdict(), "result": plain(launch.result)}


def _line(launch: Launch) -> str:
    said = launch.error or (to_json(launch.result) if launch.result is not None else "")
    return f"{launch.status}  {clean(launch.plan)}  {clean(launch.trigger)}  {clean(said)}".rstrip()


@click.group(
    "trigger",
    cls=Group,
    examples="""
cas trigger list flows
cas trigger run flows:train_daily
cas trigger watch flows
""",
)
def command() -> None:
    """List and run what new versions launch."""


@command.command(
    "list",
    cls=Command,
    examples="""
cas trigger list flows
cas trigger list mypkg.flows:train_daily --json
""",
)
@click.argument("places", metavar="MODULE[:PLAN]...", nargs=-1, required=True)
@json_option
@pass_terminal
def list_command(terminal: Terminal, places: tuple[str, ...], as_json: bool) -> None:
    """List the plans that have a trigger: what it is on, how often it launched, and what is waiting."""
    repository = terminal.repository()
    found = [plan_dict(plan, repository) for plan in _plans(terminal, places, as_json=as_json)]
    if as_json:
        terminal.print_array(found)
        return
    rows = [
        [
            clean(one["plan"]),
            f"on {clean(one['on'])}",
            f"{one['launched']} launched" + (f" ({one['failed']} failed)" if one["failed"] else ""),
            f"{len(one['pending'])} waiting",
        ]
        for one in found
    ]
    terminal.print_lines(columns(rows))


@command.command(
    "run",
    cls=Command,
    examples="""
cas trigger run flows
cas pull && cas trigger run flows:train_daily
""",
)
@click.argument("places", metavar="MODULE[:PLAN]...", nargs=-1, required=True)
@json_option
@pass_terminal
def run_command(terminal: Terminal, places: tuple[str, ...], as_json: bool) -> int:
    """Launch each plan once for each version that it has not been launched for, and end.

    A launch that fails is recorded and not tried again; the exit code is 1 then.
    """
    from cas.flows.triggers import run_triggers

    plans = _plans(terminal, places, as_json=as_json)
    with users_code(terminal, as_json=as_json):
        made = run_triggers(plans, terminal.repository(writing=True))
    if as_json:
        terminal.print_array(_launch_dict(one) for one in made)
    else:
        terminal.print_lines(_line(one) for one in made)
    return 1 if any(one.status != "ok" for one in made) else 0


@command.command(
    "watch",
    cls=Command,
    examples="""
cas trigger watch flows
cas trigger watch flows:train_daily --every 5
""",
)
@click.argument("places", metavar="MODULE[:PLAN]...", nargs=-1, required=True)
@click.option("--every", type=click.FloatRange(0.01), default=1.0, metavar="SECONDS", help="How often to look (1).")
@json_option
@pass_terminal
def watch_command(terminal: Terminal, places: tuple[str, ...], every: float, as_json: bool) -> None:
    """Go on launching until interrupted. With --json a line for each launch.

    Several may watch at once, and any may be killed: every version launches each plan exactly once.
    """
    import json

    from cas.flows.triggers import watch

    plans = _plans(terminal, places, as_json=as_json)
    launches = watch(plans, terminal.repository(writing=True), interval=every)
    while True:
        with users_code(terminal, as_json=as_json):
            launch = next(launches, None)
        if launch is None:
            return
        terminal.say(json.dumps(_launch_dict(launch), ensure_ascii=False) if as_json else _line(launch))
