"""Modules that are imported at their first use, and stand for themselves from then on."""

from __future__ import annotations

import sys

import pytest

from cas.lazy import late

(colours, sounds) = late("tests_of_lazy", "colours sounds")


def test_a_module_is_imported_when_something_of_it_is_asked_for_and_takes_its_place(tmp_path, monkeypatch):
    package = tmp_path / "tests_of_lazy"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "colours.py").write_text("RED = 'ff0000'\n")
    (package / "sounds.py").write_text("raise RuntimeError('too loud')\n")
    monkeypatch.syspath_prepend(tmp_path)
    stand_in = colours
    assert repr(colours) == "<late module tests_of_lazy.colours>"
    assert "tests_of_lazy.colours" not in sys.modules
    assert colours.RED == "ff0000"
    assert colours is sys.modules["tests_of_lazy.colours"]
    assert stand_in.RED == "ff0000"  # whoever took it elsewhere before is served too
    for _ in range(2):
        with pytest.raises(RuntimeError, match="too loud"):
            _ = sounds.LOUD
    assert repr(sounds) == "<late module tests_of_lazy.sounds>"
