"""Learners: prototypes and logits by hand, steps that move what they should and learn."""

import pytest
import torch

from fewshot_lib.batches import make_batch
from fewshot_lib.episodes import sample_episodes
from fewshot_lib.learners import descend, draw_noise
from fewshot_lib.methods import make_learner
from fewshot_lib.randomness import seeded, stream

CPU = torch.device("cpu")


def make(spec):
    with seeded("weights"):
        return make_learner(spec)


def test_prototypes_are_the_means_of_the_embedded_supports(make_spec):
    embedded = torch.tensor([[[0.0, 2.0], [4.0, 2.0]], [[1.0, 1.0], [1.0, -1.0]]])
    prototypes = make(make_spec()).prototypes(torch.zeros(2, 2, 9), embedded)
    assert prototypes.tolist() == [[2.0, 2.0], [1.0, 0.0]]


@pytest.mark.parametrize("n_shot", [1, 2])
def test_logits_are_distances_to_the_prototypes(bank, make_spec, n_shot):
    learner = make(make_spec(n_shot=n_shot)).eval()
    images = make_batch(bank, torch.arange(24).view(2, 12)[:, : n_shot + 3], CPU)
    logits = learner.logits(images, n_way=2, n_shot=n_shot)
    assert logits.shape == (2, 3, 2)
    embedded = learner.net(images).view(2, n_shot + 3, 64)
    prototypes = embedded[:, :n_shot].mean(1)
    for row in range(2):
        for query in range(3):
            expected = -(embedded[row, n_shot + query] - prototypes).square().sum(1)
            torch.testing.assert_close(logits[row, query], expected, rtol=1e-3, atol=1e-3)


def test_a_step_reports_loss_and_accuracy_of_its_episode(bank, make_spec):
    learner = make(make_spec()).eval()  # no dropout: the logits can be computed again
    images = make_batch(bank, torch.tensor([0, 1, 2, 12, 13, 14, 24, 25, 26]), CPU)
    logits = learner.logits(images, 3, 1).detach()
    metrics = learner.train_step(images, learner.optimizers())
    probability = logits.softmax(-1)
    own = torch.stack([probability[row, :, row] for row in range(3)])
    torch.testing.assert_close(metrics["loss"], -own.log().mean())
    right = [logits[row].argmax(-1) == row for row in range(3)]
    assert metrics["accuracy"] == torch.stack(right).float().mean()
    assert not metrics["loss"].requires_grad


def test_episodes_of_separable_classes_are_learned(bank, make_spec, method):
    spec = make_spec(**method, n_way=5)
    learner = make(spec).train()
    optimizers = learner.optimizers()
    shape = spec.n_way, spec.n_shot, spec.n_query
    episodes = sample_episodes(bank, 50, *shape, stream("episodes"))
    with seeded("dropout"):
        batches = (make_batch(bank, episode, CPU) for episode in episodes)
        steps = [learner.train_step(images, optimizers) for images in batches]
    losses = [step["loss"].item() for step in steps]
    assert sum(losses[-10:]) < 0.5 * sum(losses[:10])
    assert sum(step["accuracy"].item() for step in steps[-10:]) > 9


@pytest.mark.parametrize(
    ("changes", "kind", "values"),
    [
        ({"lr": 0.5, "momentum": 0.7}, torch.optim.SGD, {"lr": 0.5, "momentum": 0.7}),
        ({"optimizer": "adam", "lr": 0.25}, torch.optim.Adam, {"lr": 0.25}),
    ],
)
def test_the_spec_chooses_the_optimizer(make_spec, changes, kind, values):
    (optimizer,) = make(make_spec(weight_decay=0.125, **changes)).optimizers().values()
    assert type(optimizer) is kind
    assert optimizer.defaults.items() >= (values | {"weight_decay": 0.125}).items()


@pytest.mark.parametrize("name", ["euclidean", "parametric"])
def test_the_distance_is_trained_too(bank, make_spec, name):
    learner = make(make_spec(distance=name, distance_scale=2.0))
    before = [p.detach().clone() for p in learner.distance.parameters()]
    learner.train_step(make_batch(bank, torch.arange(0, 72, 8), CPU), learner.optimizers())
    after = list(learner.distance.parameters())
    assert after
    assert not torch.equal(after[0], before[0])


def test_descend_moves_its_own_parameters_and_leaves_no_gradient_on_others():
    own, other = (torch.nn.Parameter(torch.tensor(x)) for x in (2.0, 5.0))
    own.grad = torch.tensor(100.0)  # left over from before: must not count
    descend(own * other, torch.optim.SGD([own], lr=0.1))
    assert own.item() == pytest.approx(2 - 0.1 * 5)
    assert (other.item(), other.grad) == (5.0, None)


def test_noise_is_standard_normal_and_repeats_with_its_generator():
    noise = draw_noise((100, 100), CPU, stream("noise"))
    assert torch.equal(noise, draw_noise((100, 100), CPU, stream("noise")))
    assert noise.mean().item() == pytest.approx(0, abs=0.05)
    assert noise.std().item() == pytest.approx(1, abs=0.05)
    with seeded("noise"):
        first = draw_noise((3,), CPU, None)
    with seeded("noise"):
        assert torch.equal(draw_noise((3,), CPU, None), first)
