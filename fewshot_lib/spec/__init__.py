"""What may be asked for: a run, a problem of the report, a profile."""

from fewshot_lib.spec.parameters import Spec
from fewshot_lib.spec.problems import PROBLEMS

__all__ = ["PROBLEMS", "Spec"]
