"""All methods by name."""

from fewshot_lib.adversarial import AdversarialLearner, AFHNLearner
from fewshot_lib.learners import ClassificationLearner, HallucinationLearner, PrototypicalLearner
from fewshot_lib.mixed import MixedLearner
from fewshot_lib.spec import Spec

VARIANTS = {"original": AdversarialLearner, "afhn": AFHNLearner, "mixed": MixedLearner}


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
