"""All methods by name."""

from fewshot_lib.learning.adversarial import AdversarialLearner
from fewshot_lib.learning.afhn import AFHNLearner
from fewshot_lib.learning.classification import ClassificationLearner
from fewshot_lib.learning.hallucination import HallucinationLearner
from fewshot_lib.learning.prototypical import PrototypicalLearner
from fewshot_lib.spec.parameters import Spec

_LEARNERS = {  # by method and variant
    ("prototypical", "original"): PrototypicalLearner,
    ("hallucination", "original"): HallucinationLearner,
    ("adversarial", "original"): AdversarialLearner,
    ("adversarial", "afhn"): AFHNLearner,
    ("classification", "original"): ClassificationLearner,
}


def make_learner(spec: Spec) -> PrototypicalLearner:
    """An untrained learner; draw its weights inside ``randomness.seeded``."""
    return _LEARNERS[spec.method, spec.variant](spec)
