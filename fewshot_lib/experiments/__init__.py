"""A spec becomes a run in a folder: made once, found again, judged, compared."""

from fewshot_lib.experiments.matrix import run_matrix
from fewshot_lib.experiments.runs import Run, run

__all__ = ["Run", "run", "run_matrix"]
