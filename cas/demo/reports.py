"""The reports of the demo: a page of Markdown and one SVG chart per airport, written by hand."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from cas.demo.model import Model, error_of, predict

__all__ = ["chart", "page", "write_reports"]

_WIDTH, _HEIGHT, _MARGIN = 640, 240, 40


def write_reports(folder: Path, model: Model, seen: pd.DataFrame, unseen: pd.DataFrame) -> None:
    """Write ``index.md`` and one chart for each airport into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.md").write_text(page(model, seen, unseen), encoding="utf-8")
    flights = pd.concat([seen, unseen])
    flights = flights.assign(expected=predict(model, flights))
    for origin, part in flights.groupby("origin"):
        by_month = part.groupby("month")[["arr_delay", "expected"]].mean()
        title = f"{origin}: mean arrival delay by month, minutes"
        svg = chart(title, {"observed": by_month["arr_delay"].tolist(), "expected": by_month["expected"].tolist()})
        (folder / f"{origin}.svg").write_text(svg, encoding="utf-8")


def page(model: Model, seen: pd.DataFrame, unseen: pd.DataFrame) -> str:
    """The report as Markdown."""
    coefficients = "\n".join(f"| {name} | {value:.6f} |" for name, value in model.items())
    charts = "\n".join(f"![{origin}]({origin}.svg)" for origin in sorted(seen["origin"].unique()))
    return (
        "# Arrival delay of flights from New York City, 2013\n\n"
        f"| coefficient | value |\n|---|---|\n{coefficients}\n\n"
        f"Error on the {len(seen):,} flights seen: {error_of(model, seen)} minutes;\n"
        f"on {len(unseen):,} later ones: {error_of(model, unseen)} minutes.\n\n{charts}\n"
    )


def chart(title: str, lines: dict[str, list[float]]) -> str:
    """Line chart as SVG: each line a list of one value per month."""
    values = [value for line in lines.values() for value in line]
    low, high = min(0.0, *values), max(1.0, *values)

    def place(month: int, value: float, months: int) -> str:
        x = _MARGIN + (_WIDTH - 2 * _MARGIN) * month / max(1, months - 1)
        y = _HEIGHT - _MARGIN - (_HEIGHT - 2 * _MARGIN) * (value - low) / (high - low)
        return f"{x:.1f},{y:.1f}"

    drawn = []
    for (label, line), colour in zip(lines.items(), ("#1f6feb", "#d9730d"), strict=False):
        points = " ".join(place(month, value, len(line)) for month, value in enumerate(line))
        x, y = place(len(line) - 1, line[-1], len(line)).split(",")
        drawn.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{points}"/>')
        drawn.append(f'<text x="{x}" y="{y}" font-size="11" text-anchor="end" fill="{colour}">{label}</text>')
    zero = place(0, 0.0, 2).split(",")[1]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif">\n'
        f'<text x="{_MARGIN}" y="20" font-size="14">{title}</text>\n'
        f'<line x1="{_MARGIN}" x2="{_WIDTH - _MARGIN}" y1="{zero}" y2="{zero}" stroke="#999"/>\n'
        + "\n".join(drawn)
        + "\n</svg>\n"
    )
