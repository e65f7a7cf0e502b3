"""The linear classifiers of all episodes at once are those of scikit-learn."""

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch.nn import functional as F

from fewshot_lib.networks.classifier import linear_classifier

N_WAY, N = 4, 20


def features_of_episodes(size=8):
    """Two times three episodes of four classes, which overlap; ``(2, 3, 4, 20, size)``."""
    generator = torch.Generator().manual_seed(0)
    means = torch.randn(2, 3, N_WAY, 1, size, generator=generator)
    noise = torch.randn(2, 3, N_WAY, N, size, generator=generator)
    return F.normalize(means + noise, dim=-1)


@pytest.mark.parametrize("size", [8, 200])  # fewer and more than there are features
def test_each_episode_has_the_weights_of_a_classifier_of_its_own(size):
    features, decay = features_of_episodes(size), 0.02
    found = linear_classifier(features, decay, n_steps=100)
    labels = torch.arange(N_WAY).repeat_interleave(N)
    for i, j in ((0, 0), (1, 2)):
        plain = LogisticRegression(C=1 / (decay * len(labels)), fit_intercept=False, tol=1e-8)
        plain.fit(features[i, j].flatten(0, 1), labels)
        expected = F.normalize(torch.from_numpy(plain.coef_).float(), dim=-1)
        torch.testing.assert_close(found[i, j], expected, rtol=0, atol=1e-3)


def test_few_steps_are_enough():
    features = features_of_episodes()
    near, exact = linear_classifier(features), linear_classifier(features, n_steps=200)
    torch.testing.assert_close(near, exact, rtol=0, atol=2e-3)


def test_one_feature_a_class_may_be_all_there_is():
    (weights,) = linear_classifier(torch.eye(3).view(1, 3, 1, 3))
    assert (weights.argmax(-1) == torch.arange(3)).all()
    torch.testing.assert_close(weights.norm(dim=-1), torch.ones(3))
