"""A spec becomes a run in a folder: made once, found again, judged, compared."""

from importlib import import_module
from typing import Any

_HOMES = {"Run": "runs", "run": "runs", "run_matrix": "matrix"}

__all__ = ["Run", "run", "run_matrix"]


def __getattr__(name: str) -> Any:
    """What this room offers; torch, which takes seconds, is imported when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
