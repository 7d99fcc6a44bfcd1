"""The demo's model and reports, on flights made up here."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from cas.demo.model import error_of, fit, predict
from cas.demo.reports import chart, write_reports
from cas.demo.story import correct_february


@pytest.fixture
def flights() -> pd.DataFrame:
    draw = np.random.default_rng(5)
    table = pd.DataFrame(
        {
            "origin": np.repeat(["EWR", "JFK"], 60),
            "month": np.tile(np.arange(1, 13), 10),
            "day": np.tile([8, 9], 60),
            "dep_delay": draw.normal(10, 5, 120).round(),
            "distance": draw.integers(100, 2000, 120),
        }
    )
    table["arr_delay"] = 3 + 0.5 * table["dep_delay"] - 0.01 * table["distance"]
    return table


def test_fit_finds_the_line(flights: pd.DataFrame) -> None:
    model = fit(flights)
    assert model == {"intercept": 3.0, "dep_delay": 0.5, "distance": -0.01}
    assert error_of(model, flights) == 0.0
    assert predict(model, flights) == pytest.approx(flights["arr_delay"].to_numpy())


def test_reports_are_the_same_every_time(flights: pd.DataFrame, tmp_path: Path) -> None:
    model = fit(flights)
    for folder in ("a", "b"):
        write_reports(tmp_path / folder, model, flights, flights)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["EWR.svg", "JFK.svg", "index.md"]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_chart_is_well_formed() -> None:
    root = ElementTree.fromstring(chart("t", {"a": [1.0, -2.0, 3.0], "b": [0.0, 0.0, 0.0]}))
    assert root.tag.endswith("svg")
    assert len(root.findall("{http://www.w3.org/2000/svg}polyline")) == 2


def test_the_correction_touches_one_day(flights: pd.DataFrame) -> None:
    flights.loc[:, "month"] = 2
    changed = correct_february(flights)["arr_delay"] != flights["arr_delay"]
    assert changed.equals((flights["origin"] == "EWR") & (flights["day"] == 9))
