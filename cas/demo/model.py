"""A small model of arrival delay: least squares, its coefficients in a plain dict. Pure functions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["Model", "error_of", "fit", "predict"]

Model = dict[str, float]
_FEATURES = ["dep_delay", "distance"]


def fit(flights: pd.DataFrame) -> Model:
    """Coefficients of arrival delay (minutes) on departure delay (minutes) and distance (miles).

    They are kept to 9 decimals, so that the order in which a processor adds up cannot show.
    """
    solution, *_ = np.linalg.lstsq(_design(flights), flights["arr_delay"].to_numpy(float), rcond=None)
    return {name: round(float(value), 9) for name, value in zip(["intercept", *_FEATURES], solution, strict=True)}


def predict(model: Model, flights: pd.DataFrame) -> npt.NDArray[np.float64]:
    """The arrival delay that the model expects of each flight, in minutes."""
    return np.asarray(_design(flights) @ np.array([model["intercept"], *(model[name] for name in _FEATURES)]), float)


def error_of(model: Model, flights: pd.DataFrame) -> float:
    """Root mean square error on these flights, in minutes, to two decimals."""
    missed = flights["arr_delay"].to_numpy(float) - predict(model, flights)
    return round(float(np.sqrt(np.mean(missed**2))), 2)


def _design(flights: pd.DataFrame) -> npt.NDArray[np.float64]:
    features = flights[_FEATURES].to_numpy(float)
    return np.column_stack([np.ones(len(features)), features])
