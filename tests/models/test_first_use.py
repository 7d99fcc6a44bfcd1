"""What a program of one line needs: each starts anew, so nothing was loaded by a test before it."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

REGISTERED = """
    from dataclasses import dataclass
    @cas.register_model(version=1)
    @dataclass
    class Point:
        x: int
    cas.put(Point(1), "value")
    assert cas.get("value") == Point(1)
"""

SERIALIZER = """
    class Point:
        def __init__(self, x):
            self.x = x
    class Points(cas.Serializer[Point]):
        name, types = "points", (Point,)
        def serialize(self, value):
            return str(value.x).encode()
        def deserialize(self, value):
            return Point(int(value))
    Points().register()
    cas.put(Point(1), "value")
    assert cas.get("value").x == 1
"""

FIGURE = """
    from dataclasses import dataclass
    from typing import Any
    import plotly.graph_objects as plots
    @dataclass
    class Report(cas.ArtifactModel, version=1):
        figure: Any
    figure = plots.Figure(data=[plots.Bar(y=[1, 2])])
    Report(figure).create("value")
    assert Report.read("value").figure == figure
    with cas.span_context(label="span") as span:
        cas.create_span_artifact("current", label="figure", data=figure)
    assert cas.read_span_artifact(span, label="figure") == figure
"""


@pytest.mark.parametrize(
    ("code", "needs"),
    [(REGISTERED, "cas"), (SERIALIZER, "cas"), (FIGURE, "plotly")],
    ids=["register_model", "serializer", "figure"],
)
def test_nothing_else_has_to_be_loaded(tmp_path, code, needs):
    pytest.importorskip(needs, reason=f"{needs} is not installed")
    program = "import cas\ncas.use('here', create=True)\n" + textwrap.dedent(code)
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
