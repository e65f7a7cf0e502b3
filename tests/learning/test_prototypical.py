"""Learners: prototypes and logits by hand, steps that move what they should and learn."""

import copy
from dataclasses import replace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from fewshot_lib.data.episodes import sample_episodes
from fewshot_lib.learning.batches import AUGMENTATIONS, epoch_batches, make_batch
from fewshot_lib.learning.device import Plan
from fewshot_lib.learning.evaluation import encode
from fewshot_lib.learning.methods import make_learner
from fewshot_lib.learning.prototypical import Features
from fewshot_lib.learning.randomness import seeded, stream
from fewshot_lib.learning.steps import descend, draw_noise

CPU = torch.device("cpu")
CHANNELS_LAST = torch.channels_last
NINE = torch.tensor([0, 1, 2, 12, 13, 14, 24, 25, 26])  # three of three classes


def make(spec):
    with seeded("weights"):
        return make_learner(spec)


def test_prototypes_are_the_means_of_the_embedded_supports(make_spec):
    embedded = torch.tensor([[[0.0, 2.0], [4.0, 2.0]], [[1.0, 1.0], [1.0, -1.0]]])
    prototypes = make(make_spec()).prototypes(Features(torch.zeros(2, 2, 9), embedded))
    assert prototypes.tolist() == [[2.0, 2.0], [1.0, 0.0]]


@pytest.mark.parametrize("n_shot", [1, 2])
def test_logits_are_distances_to_the_prototypes(bank, make_spec, n_shot):
    learner = make(make_spec(n_way=2, n_shot=n_shot)).eval()
    images = make_batch(bank, torch.arange(24).view(2, 12)[:, : n_shot + 3], CPU)
    logits = learner.logits(images)
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
    logits = learner.logits(images).detach()
    metrics = learner.learn([(images, None)], learner.optimizers())[0]
    probability = logits.softmax(-1)
    own = torch.stack([probability[row, :, row] for row in range(3)])
    torch.testing.assert_close(metrics["loss"], -own.log().mean())
    right = [logits[row].argmax(-1) == row for row in range(3)]
    assert metrics["accuracy"] == torch.stack(right).float().mean()
    assert not metrics["loss"].requires_grad


def what_it_learns_from(learner, bank):
    """The bank, with features in place of images for a method that leaves its extractor alone."""
    learner.eval()
    images = encode(learner, bank, CPU).embedded.clone() if learner.frozen else bank.images
    learner.train()
    return replace(bank, images=images)


def test_supports_and_queries_apart_are_two_batches(bank, make_spec, method):
    """Normalised and counted as the original's two calls do it."""
    learner = make(make_spec(**method | {"batches": "apart"})).to(memory_format=CHANNELS_LAST)
    twin, joint = copy.deepcopy(learner).train(), copy.deepcopy(learner).train()
    images = make_batch(bank, NINE, CPU)
    is_support = torch.arange(9) % 3 == 0
    support, query = twin.raw(images[is_support]), twin.raw(images[~is_support])
    together = joint.raw(images).view(3, 3, 64)
    found = learner.train().episode_features(images)
    close = {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(found[:, 0], support, **close)
    torch.testing.assert_close(found[:, 1:].flatten(0, 1), query, **close)
    assert (found - together).abs().max() > 0.1
    for own, other in zip(learner.buffers(), twin.buffers(), strict=True):
        torch.testing.assert_close(own, other, **close)
    tracked = [b for name, b in learner.named_buffers() if name.endswith("num_batches_tracked")]
    assert len(tracked) == 4 and all(n == 2 for n in tracked)


def test_both_batches_have_the_layout_of_the_plan(bank, make_spec):
    learner, seen = make(make_spec(batches="apart")).train(), []
    learner.net.extractor.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    learner.episode_features(make_batch(bank, NINE, CPU))
    assert [len(images) for images in seen] == [3, 6]
    assert all(images.is_contiguous(memory_format=CHANNELS_LAST) for images in seen)


def test_episodes_of_separable_classes_are_learned(bank, make_spec, method):
    spec = make_spec(**method, n_way=5)
    learner = make(spec).train()
    if learner.frozen:
        pytest.skip("learns nothing of images: see test_afhn.py")
    optimizers = learner.optimizers()
    shape = spec.n_way, spec.n_shot, spec.n_query
    episodes = sample_episodes(bank, 50, *shape, stream("episodes"))
    with seeded("dropout"):
        batches = (make_batch(bank, episode, CPU) for episode in episodes)
        steps = [learner.learn([(images, None)], optimizers)[0] for images in batches]
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
    learner.learn([(make_batch(bank, torch.arange(0, 72, 8), CPU), None)], learner.optimizers())
    after = list(learner.distance.parameters())
    assert after
    assert not torch.equal(after[0], before[0])


def test_descend_moves_its_own_parameters_and_leaves_no_gradient_on_others():
    own, other = (torch.nn.Parameter(torch.tensor(x)) for x in (2.0, 5.0))
    own.grad = torch.tensor(100.0)  # left over from before: must not count
    product = own * other
    (metrics,) = descend(torch.optim.SGD([own], lr=0.1), lambda: (product, {"a": product}), [()])
    assert own.item() == pytest.approx(2 - 0.1 * 5)
    assert (other.item(), other.grad) == (5.0, None)
    assert (metrics["a"].item(), metrics["a"].requires_grad) == (10.0, False)


def test_descend_averages_the_gradients_of_its_episodes():
    own = torch.nn.Parameter(torch.tensor(2.0))
    factors = [(torch.tensor(x),) for x in (1.0, 2.0, 6.0)]
    optimizer = torch.optim.SGD([own], lr=0.1)
    known = descend(optimizer, lambda x: (own * x, {"loss": own * x}), factors)
    assert own.item() == pytest.approx(2 - 0.1 * 3)
    assert [metrics["loss"].item() for metrics in known] == [2.0, 4.0, 12.0]


def batches_of(bank, spec, n):
    shape = spec.n_way, spec.n_shot, spec.n_query
    episodes = sample_episodes(bank, n, *shape, stream("episodes"))
    return [(make_batch(bank, e, CPU), bank.labels[e.flatten()]) for e in episodes]


def without_dropout(learner):
    """Its steps can then be taken again."""
    for module in list(learner.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, torch.nn.Dropout):
                setattr(module, name, torch.nn.Identity())
    return learner.to(memory_format=torch.channels_last).train()


CLASSIFICATION = {"method": "classification", "n_classes": 6}
ALONE = [{"method": "prototypical"}, CLASSIFICATION]  # their steps draw nothing


@pytest.mark.parametrize("changes", ALONE)
def test_a_step_on_several_episodes_follows_the_mean_of_their_gradients(bank, make_spec, changes):
    spec = make_spec(**changes, momentum=0.0, weight_decay=0.0, lr=0.5)
    start = without_dropout(make(spec)).state_dict()
    batches = batches_of(bank, spec, 3)

    def moved(episodes):
        learner = without_dropout(make(spec))
        learner.learn(episodes, learner.optimizers())
        return {name: p.detach() - start[name] for name, p in learner.named_parameters()}

    start = {name: value.clone() for name, value in start.items()}
    together, apart = moved(batches), [moved([batch]) for batch in batches]
    for name, move in together.items():
        mean = torch.stack([single[name] for single in apart]).mean(0)
        torch.testing.assert_close(move, mean, rtol=1e-3, atol=1e-5)
    assert together["net.mlp.transform.1.weight"].any()


def test_every_method_reports_each_episode_of_a_group(bank, make_spec, method):
    spec = make_spec(**method)
    learner = make(spec).train()
    batches = batches_of(what_it_learns_from(learner, bank), spec, 3)
    known = learner.learn(batches, learner.optimizers())
    assert len(known) == 3
    assert all(metrics.keys() >= {"loss", "accuracy"} for metrics in known)
    assert len({metrics["loss"].item() for metrics in known}) == 3


def gradients(bank, spec, plan):
    """Loss and gradients of the first step."""
    learner = without_dropout(make(spec).to(memory_format=plan.layout))
    learner.plan = plan
    images = make_batch(bank, NINE, CPU, layout=plan.layout)
    with seeded("noise"):
        loss, metrics = learner.episode_loss(images, bank.labels[NINE])
    loss.backward()
    values = {name: p.grad for name, p in learner.named_parameters() if p.grad is not None}
    return metrics["loss"].detach(), values, learner


HALLUCINATION = {"method": "hallucination", "n_aug": 3}


@pytest.mark.parametrize("changes", [*ALONE, HALLUCINATION])
def test_bfloat16_gives_nearly_float32_s_loss_and_gradients(bank, make_spec, changes):
    spec = make_spec(**changes)
    loss, expected, _ = gradients(bank, spec, Plan())
    rounded, found, learner = gradients(bank, spec, Plan(bfloat16=True))
    assert rounded.dtype == torch.float32
    assert rounded != loss  # or nothing was rounded
    assert rounded.item() == pytest.approx(loss.item(), rel=0.02)
    for name, gradient in expected.items():  # nine images, four normalisations: errors grow
        assert found[name].dtype == torch.float32
        assert (found[name] - gradient).norm() < 0.25 * gradient.norm() + 1e-4, name
    assert all(b.dtype in (torch.float32, torch.int64) for b in learner.buffers())


@pytest.mark.parametrize("changes", [*ALONE, HALLUCINATION])
def test_the_usual_memory_layout_gives_the_same(bank, make_spec, changes):
    spec = make_spec(**changes)
    loss, expected, ours = gradients(bank, spec, Plan())
    other, found, theirs = gradients(bank, spec, Plan(channels_last=False))
    torch.testing.assert_close(other, loss, rtol=1e-4, atol=1e-5)
    assert expected.keys() == found.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-2, atol=1e-4)
    for one, another in zip(ours.buffers(), theirs.buffers(), strict=True):
        torch.testing.assert_close(one, another, rtol=1e-4, atol=1e-5)


def test_bfloat16_is_for_training_alone(bank, make_spec):
    learner = make(make_spec()).eval()
    images = make_batch(bank, torch.arange(6), CPU)
    before = learner.raw(images)
    learner.plan = Plan(bfloat16=True)
    assert torch.equal(learner.raw(images), before)
    assert not torch.equal(learner.raw_to_learn(images), before)


class Questions(TorchDispatchMode):
    """Counts what a GPU would have to finish all its work for: a number asked for."""

    asked = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.asked += function is torch.ops.aten._local_scalar_dense.default
        return function(*args, **(kwargs or {}))


def test_a_step_never_waits_for_a_number(bank, make_spec, method):
    spec = make_spec(**method, augment=[*AUGMENTATIONS], episodes=4, episodes_per_step=2)
    learner = make(spec).train()
    bank = what_it_learns_from(learner, bank)
    optimizers, groups = learner.optimizers(), epoch_batches(spec, bank, Plan(), 1)
    learner.learn(next(groups), optimizers)
    with Questions() as questions:
        (metrics, _) = learner.learn(next(groups), optimizers)
        assert questions.asked == 0
        metrics["loss"].item()
    assert questions.asked == 1


def test_noise_is_standard_normal_and_repeats_with_its_generator():
    noise = draw_noise((100, 100), CPU, stream("noise"))
    assert torch.equal(noise, draw_noise((100, 100), CPU, stream("noise")))
    assert noise.mean().item() == pytest.approx(0, abs=0.05)
    assert noise.std().item() == pytest.approx(1, abs=0.05)
    with seeded("noise"):
        first = draw_noise((3,), CPU, None)
    with seeded("noise"):
        assert torch.equal(draw_noise((3,), CPU, None), first)


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_a_classifier_scores_by_cosine_if_that_is_its_distance(make_spec, distance):
    spec = make_spec(method="classification", n_classes=7, distance=distance, distance_scale=4.0)
    learner, features = make(spec), torch.randn(5, 64, generator=stream("features"))
    scores = learner.scores(features)
    assert scores.shape == (5, 7)
    rescaled = learner.scores(3 * features)  # a cosine does not see lengths, a dot product does
    assert torch.allclose(scores, rescaled, atol=1e-5) == (distance == "cosine")
    if distance == "cosine":
        own = learner.scores(learner.head.weight).argmax(-1)
        assert own.tolist() == list(range(7))
        assert learner.scores(learner.head.weight).diagonal().tolist() == pytest.approx([4.0] * 7)
