"""Prototypes of real and generated features, trained as they are used."""

import pytest
import torch

from fewshot_lib.losses import classification_loss
from fewshot_lib.methods import make_learner
from fewshot_lib.networks import Generator
from fewshot_lib.randomness import seeded


@pytest.fixture
def learner(make_spec):
    spec = make_spec(method="adversarial", variant="mixed", n_aug=3)
    with seeded("weights"):
        return make_learner(spec).eval()


@pytest.fixture
def features(learner):
    with seeded("features"):
        return torch.randn(3, 1 + 2, 64)


def wake(generator: Generator) -> None:
    """Let it give more than nothing."""
    with seeded("awake"):
        torch.nn.init.normal_(generator.generate[-1].weight)


def test_untrained_fakes_are_copies_and_change_nothing(learner, features):
    fakes, _ = learner.fakes(features, 3)
    assert torch.equal(fakes, features.unsqueeze(-2).expand_as(fakes))
    real = learner.compare(features.unsqueeze(-2))
    assert learner.fake_logits(features).detach() == pytest.approx(real.detach().view(3, 2, 3))


def test_a_mixed_prototype_is_the_mean_of_a_support_and_its_fakes(learner, features):
    fakes = torch.randn(3, 1, 3, 64)
    prototypes = torch.cat([features[:, :1].unsqueeze(-2), fakes], dim=-2).mean((1, 2))
    expected = -torch.cdist(features[:, 1:].flatten(0, 1), prototypes).square()
    found = learner.mixed_logits(features, fakes).flatten(0, 1)
    assert found.detach() == pytest.approx(expected, rel=1e-4)


def test_test_prototypes_are_those_of_training(learner, features):
    wake(learner.generator)
    raw = features.abs()
    with seeded("noise"):
        tested = learner.embed_mixed(raw, 3, None)
    with seeded("noise"):
        fakes, _ = learner.fakes(learner.net.mlp(raw), 3)
    real = learner.net.mlp(raw).unsqueeze(-2)
    expected = torch.cat([real, fakes], dim=-2).mean(-2)
    assert tested.detach() == pytest.approx(expected.detach(), abs=1e-5)


def test_the_generator_is_told_how_its_prototypes_classify(learner, features):
    """Without the critic's part its loss is that of the queries, and its gradient is not zero."""
    object.__setattr__(learner, "spec", learner.spec.model_copy(update={"gan_weight": 0.0}))
    wake(learner.generator)
    with seeded("noise"):
        loss, _ = learner.fooling(features)
    with seeded("noise"):
        fakes, _ = learner.fakes(features[:, :1], 3)
    expected = classification_loss(learner.mixed_logits(features, fakes))
    assert loss.item() == pytest.approx(expected.item())
    loss.backward()
    assert learner.generator.generate[0].weight.grad.norm() > 0


def test_the_critics_part_is_finite_while_fakes_are_copies(learner, features):
    loss, _ = learner.fooling(features)
    loss.backward()
    gradients = [p.grad for p in learner.generator.parameters()]
    assert loss.isfinite() and all(g.isfinite().all() for g in gradients)
