"""Every method of a spec has its learner."""

from typing import get_args

import pytest

from fewshot_lib.learning.adversarial import AdversarialLearner
from fewshot_lib.learning.afhn import AFHNLearner
from fewshot_lib.learning.classification import ClassificationLearner
from fewshot_lib.learning.hallucination import HallucinationLearner
from fewshot_lib.learning.methods import make_learner
from fewshot_lib.learning.prototypical import PrototypicalLearner
from fewshot_lib.spec.parameters import Spec


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"method": "prototypical"}, PrototypicalLearner),
        ({"method": "hallucination"}, HallucinationLearner),
        ({"method": "adversarial"}, AdversarialLearner),
        ({"method": "adversarial", "variant": "afhn"}, AFHNLearner),
        ({"method": "classification", "n_classes": 6}, ClassificationLearner),
    ],
)
def test_names_give_their_learners(make_spec, values, kind):
    assert type(make_learner(make_spec(**values))) is kind


@pytest.mark.parametrize("name", get_args(Spec.model_fields["method"].annotation))
def test_no_method_is_without_one(make_spec, name):
    values = {"n_classes": 6} if name == "classification" else {}
    assert make_learner(make_spec(method=name, **values)).spec.method == name
