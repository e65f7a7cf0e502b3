"""All methods by name."""

from fewshot_lib.learning.adversarial import AdversarialLearner
from fewshot_lib.learning.afhn import AFHNLearner
from fewshot_lib.learning.prototypical import (
    ClassificationLearner,
    HallucinationLearner,
    PrototypicalLearner,
)
from fewshot_lib.spec.parameters import Spec

VARIANTS = {"original": AdversarialLearner, "afhn": AFHNLearner}


def make_learner(spec: Spec) -> PrototypicalLearner:
    """An untrained learner; draw its weights inside ``randomness.seeded``."""
    if spec.method == "adversarial":
        return VARIANTS[spec.variant](spec)
    methods = {
        "prototypical": PrototypicalLearner,
        "hallucination": HallucinationLearner,
        "classification": ClassificationLearner,
    }
    return methods[spec.method](spec)
