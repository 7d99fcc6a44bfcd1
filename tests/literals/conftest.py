"""Fixtures of the literals room."""

import importlib.util
from pathlib import Path

import pytest

_SPEC = importlib.util.spec_from_file_location("cas_tests_literals_memory", Path(__file__).with_name("memory.py"))
_MODULE = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_MODULE)


@pytest.fixture
def memory():
    return _MODULE.Memory()
