"""Prototypes of real and generated features, trained as they are used."""

import pytest
import torch

from fewshot_lib.data.episodes import sample_episodes
from fewshot_lib.learning.batches import make_batch
from fewshot_lib.learning.methods import make_learner
from fewshot_lib.learning.randomness import seeded, stream
from fewshot_lib.networks.adversarial import Generator
from fewshot_lib.networks.losses import classification_loss


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
    support, query = learner.support_and_query(learner.embed(features).detach())
    real = learner.distance(query, support.mean(1)).detach()
    mixed = learner.mixed_logits(features, learner.noise(support, 3)).detach()
    assert mixed == pytest.approx(real, rel=1e-4)


def test_a_mixed_prototype_is_the_mean_of_a_support_and_its_fakes(learner, features):
    wake(learner.generator)
    noise, mlp = torch.randn(3, 1, 3, 128), learner.net.mlp
    fakes = learner.generator(features[:, :1], noise)
    prototypes = mlp(torch.cat([features[:, :1].unsqueeze(-2), fakes], dim=-2).mean((1, 2)))
    expected = -torch.cdist(mlp(features[:, 1:]).flatten(0, 1), prototypes).square().detach()
    found = learner.mixed_logits(features, noise).flatten(0, 1)
    assert found.detach() == pytest.approx(expected, rel=1e-4)


def test_test_prototypes_are_those_of_training(learner, features):
    wake(learner.generator)
    raw = features.abs()
    with seeded("noise"):
        tested = learner.embed_mixed(raw, 3, None)
    with seeded("noise"):
        fakes, _ = learner.fakes(raw, 3)
    expected = learner.net.mlp(torch.cat([raw.unsqueeze(-2), fakes], dim=-2).mean(-2))
    assert tested.detach() == pytest.approx(expected.detach(), abs=1e-5)


def test_extractor_and_generator_learn_together(learner, bank):
    spec = learner.spec
    episodes = sample_episodes(bank, 1, spec.n_way, spec.n_shot, spec.n_query, stream("some"))
    images = make_batch(bank, episodes, torch.device("cpu"))
    before = {k: v.clone() for k, v in learner.named_parameters()}
    learner.extractor_step([(images,)], learner.optimizers()["main"])
    moved = {k for k, v in learner.named_parameters() if not torch.equal(v, before[k])}
    assert {"generator.generate.2.weight", "net.mlp.transform.1.weight"} <= moved
    assert not [name for name in moved if name.startswith("discriminator")]


def test_the_generator_is_told_how_its_prototypes_classify(learner, features):
    """Without the critic's part its loss is that of the queries, and its gradient is not zero."""
    object.__setattr__(learner, "spec", learner.spec.model_copy(update={"gan_weight": 0.0}))
    wake(learner.generator)
    with seeded("noise"):
        loss, _ = learner.fooling(features)
    with seeded("noise"):
        noise = learner.noise(features[:, :1], 3)
    expected = classification_loss(learner.mixed_logits(features, noise))
    assert loss.item() == pytest.approx(expected.item())
    loss.backward()
    assert learner.generator.generate[0].weight.grad.norm() > 0


def test_the_critics_part_is_finite_while_fakes_are_copies(learner, features):
    loss, _ = learner.fooling(features)
    loss.backward()
    gradients = [p.grad for p in learner.generator.parameters()]
    assert loss.isfinite() and all(g.isfinite().all() for g in gradients)
