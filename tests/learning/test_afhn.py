"""AFHN: a generator and a critic learn on features that never change."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from fewshot_lib.experiments.runs import run
from fewshot_lib.files import runs_folder
from fewshot_lib.learning import training
from fewshot_lib.learning.batches import make_batch
from fewshot_lib.learning.evaluation import encode
from fewshot_lib.learning.methods import make_learner
from fewshot_lib.learning.prototypical import Features
from fewshot_lib.learning.randomness import seeded, stream
from fewshot_lib.networks import losses
from fewshot_lib.networks.classifier import linear_classifier

CPU = torch.device("cpu")
AFHN = {"method": "adversarial", "variant": "afhn", "n_aug_test": 5}


@pytest.fixture
def learner(make_spec):
    with seeded("weights"):
        return make_learner(make_spec(**AFHN))


def episode(seed=0):
    """Features of three classes, one support and two queries each, class by class."""
    return torch.randn(9, 64, generator=torch.Generator().manual_seed(seed))


def unit(features):
    """Features whose values are 1 in the mean square."""
    return F.normalize(features, dim=-1) * 8


def test_three_steps_of_the_critic_then_one_of_the_generator(learner):
    order, optimizers = [], learner.optimizers()
    for name, optimizer in optimizers.items():
        optimizer.register_step_post_hook(lambda *_, name=name: order.append(name))
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    metrics = learner.learn([(episode(), None)], optimizers)[0]
    assert order == ["discriminator"] * 3 + ["main"]
    moved = {n for n, value in learner.state_dict().items() if not torch.equal(value, before[n])}
    trained = {name for name in before if name.startswith(("generator.", "discriminator."))}
    assert moved == trained - {"discriminator.judge.2.bias"}  # shifts all scores alike
    assert set(metrics) == {"loss", "accuracy", "generator_loss", "discriminator_loss"}
    assert not any(value.requires_grad for value in metrics.values())


def test_the_generator_s_loss_one_query_and_one_fake_at_a_time(learner):
    torch.manual_seed(0)
    metrics = learner.eval().learn([(episode(), None)], no_steps(learner))[0]
    torch.manual_seed(0)
    support, query = unit(episode()).view(3, 3, 64).split([1, 2], dim=1)
    support = support.mean(1)
    for _ in range(3):  # what the critic's steps draw
        torch.randn(3, 2, 512), torch.rand(3, 2, 1)
    noise = torch.randn(3, 2, 512)
    both, right = 0, []
    for i in range(2):
        fakes = learner.generator(support, noise[:, i : i + 1]).squeeze(1)
        pairs = torch.cat([fakes, support], dim=-1)
        both = both - learner.discriminator.judge(pairs).mean()
        crosses = []
        for c in range(3):
            for q in query[c]:
                scores = torch.stack([F.cosine_similarity(q, fake, dim=0) for fake in fakes])
                crosses.append(F.cross_entropy(scores, torch.tensor(c)))
                right.append(float(scores.argmax() == c))
        both = both + torch.stack(crosses).mean()
    fakes = learner.generator(support, noise)
    both = both + losses.anti_collapse_loss(fakes, noise)
    torch.testing.assert_close(metrics["generator_loss"], both.detach())
    assert metrics["accuracy"].item() == pytest.approx(sum(right) / len(right))


def no_steps(learner):
    """Its optimizers at a rate of nothing."""
    optimizers = learner.optimizers()
    for optimizer in optimizers.values():
        optimizer.param_groups[0]["lr"] = 0.0
    return optimizers


def test_without_hallucinated_features_it_is_problem_1(learner, make_spec):
    plain = make_learner(make_spec()).eval()
    learner.start_from(plain.state_dict())
    raw = torch.rand(3, 2, 64)
    learner.eval()
    assert torch.equal(
        learner.prototypes(Features(raw, learner.embed(raw))),
        plain.prototypes(Features(raw, plain.embed(raw))),
    )


def test_prototypes_are_a_classifier_s_of_supports_and_hallucinated_features(learner):
    learner.eval()
    raw = torch.rand(4, 3, 2, 64)
    with torch.no_grad():
        embedded = learner.embed(raw)
        found = learner.prototypes(Features(raw, embedded), 5, stream("noise"))
        noise = torch.randn(4, 3, 5, 512, generator=stream("noise"))
        fakes = learner.generator(unit(embedded).mean(2), noise)
        expected = linear_classifier(unit(torch.cat([unit(embedded), fakes], dim=2)) / 8)
    torch.testing.assert_close(found, expected)


def test_a_class_alone_has_the_mean_direction_of_its_features(learner):
    learner.eval()
    raw = torch.rand(1, 2, 64)
    with torch.no_grad():
        (found,) = learner.prototypes(Features(raw, learner.embed(raw)), 5, stream("noise"))
        real = unit(learner.embed(raw[0]))
        noise = torch.randn(1, 5, 512, generator=stream("noise"))
        fakes = learner.generator(real.mean(0, keepdim=True), noise)[0]
    expected = F.normalize((unit(torch.cat([real, fakes])) / 8).mean(0), dim=0)
    torch.testing.assert_close(found, expected)


@pytest.mark.usefixtures("project")
def test_it_learns_from_the_features_of_problem_1_s_extractor(make_spec, monkeypatch):
    seen, encoded = [], []
    learn = make_learner(make_spec(**AFHN)).learn.__func__

    def note(self, episodes, optimizers):
        seen.extend(features for features, _ in episodes)
        return learn(self, episodes, optimizers)

    monkeypatch.setattr("fewshot_lib.learning.afhn.AFHNLearner.learn", note)
    monkeypatch.setattr(training, "encode", lambda *a: encoded.append(a[1]) or encode(*a))
    made = run(make_spec(**AFHN, epochs=2, extractor_epochs=1, distance="parametric"))
    assert len(encoded) == 1 + 2  # Problem 1's one validation; each split once for both epochs
    first = run(make_spec(epochs=1, distance="parametric"))
    assert len(list(runs_folder().iterdir())) == 2
    for name, value in first.learner.state_dict().items():
        assert torch.equal(made.learner.state_dict()[name], value), name
    features = first.features("train").embedded
    assert len(seen) == 2 * 4
    for row in torch.cat(seen):
        assert (features - row).abs().sum(1).min() < 0.1  # weights are rounded for the test


def test_a_bank_of_features_gives_them_as_they_are(bank, learner):
    features = encode(learner, bank, CPU).embedded
    indices = torch.tensor([[3, 5], [0, 70]])
    batch = make_batch(replace(bank, images=features), indices, CPU, ["flip"])
    assert torch.equal(batch, features[[3, 5, 0, 70]])
