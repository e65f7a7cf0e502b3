"""Problem 3: three networks, each trained by its own step and by no other."""

from itertools import pairwise

import pytest
import torch

from fewshot_lib.data.episodes import sample_episodes
from fewshot_lib.learning.batches import make_batch
from fewshot_lib.learning.methods import make_learner
from fewshot_lib.learning.prototypical import Features
from fewshot_lib.learning.randomness import seeded, stream
from fewshot_lib.networks.adversarial import (
    ConditionalGenerator,
    Critic,
    Discriminator,
    Extractor,
    Generator,
)
from fewshot_lib.networks.encoder import count_parameters

CPU = torch.device("cpu")


@pytest.fixture
def learner(make_spec):
    with seeded("weights"):
        return make_learner(make_spec(method="adversarial"))


def images_of(bank, spec, seed=0):
    shape = spec.n_way, spec.n_shot, spec.n_query
    return make_batch(bank, sample_episodes(bank, 1, *shape, stream(seed)), CPU)


def test_parameter_counts_at_84_pixels():
    assert count_parameters(Extractor()) == count_parameters(Extractor(84)) == 3_956_688
    assert count_parameters(Generator()) == count_parameters(Generator(1600)) == 1_333_200
    assert count_parameters(Discriminator()) == count_parameters(Discriminator(1600)) == 640_801


def test_state_dict_keys():
    keys = list(Extractor(16).state_dict())
    assert keys[:2] == ["encoder.0.conv.0.weight", "encoder.0.conv.0.bias"]
    assert len([key for key in keys if key.startswith("encoder.")]) == 4 * 7
    linear = ["enhance.0", "enhance.2", "transform.1"]
    assert keys[28:] == [f"mlp.{name}.{kind}" for name in linear for kind in ("weight", "bias")]
    for net, name in (
        (Generator(16), "generate"),
        (ConditionalGenerator(16), "generate"),
        (Discriminator(16), "judge"),
        (Critic(16), "judge"),
    ):
        expected = [f"{name}.{i}.{kind}" for i in (0, 2) for kind in ("weight", "bias")]
        assert list(net.state_dict()) == expected


def test_printouts():
    text = str(Generator())
    assert "(0): Linear(in_features=1728, out_features=400, bias=True)" in text
    assert "(2): Linear(in_features=400, out_features=1600, bias=True)" in text
    text = str(Discriminator())
    assert "(0): Linear(in_features=1600, out_features=400, bias=True)" in text
    assert "(1): LeakyReLU(negative_slope=0.2)" in text
    assert "(2): Linear(in_features=400, out_features=1, bias=True)" in text
    assert "(3): Sigmoid()" in text


def test_fakes_are_generated_feature_by_feature():
    torch.manual_seed(0)
    generator = Generator(16).double()
    features, noise = torch.randn(3, 2, 16).double(), torch.randn(3, 2, 5, 128).double()
    fakes = generator(features, noise)
    assert fakes.shape == (3, 2, 5, 16)
    single = generator.generate(torch.cat([features[2, 1], noise[2, 1, 3]]))
    torch.testing.assert_close(fakes[2, 1, 3], single)


def test_judges_give_one_number_a_feature():
    torch.manual_seed(0)
    features = torch.randn(3, 2, 5, 16)
    probability = Discriminator(16)(features)
    assert probability.shape == (3, 2, 5)
    assert ((probability > 0) & (probability < 1)).all()
    critic = Critic(16)
    scores = critic(features, features[..., :1, :])
    torch.testing.assert_close(scores[1, 1, 3], critic(features[1, 1, 3], features[1, 1, 0]))


def parts(learner) -> dict[str, dict[str, torch.nn.Parameter]]:
    """Parameters by the optimizer that owns them."""
    networks = {
        "main": torch.nn.ModuleList([learner.net, learner.distance]),
        "generator": learner.generator,
        "discriminator": learner.discriminator,
    }
    return {name: dict(network.named_parameters()) for name, network in networks.items()}


def copies(parameters):
    return {name: p.detach().clone() for name, p in parameters.items()}


def test_a_step_trains_its_own_network_and_no_other(bank, make_spec):
    spec = make_spec(method="adversarial", distance="parametric")
    with seeded("weights"):
        learner = make_learner(spec)
    optimizers, moved = learner.optimizers(), {}
    for step, optimizer in optimizers.items():
        before = {}

        def remember(*_, before=before):
            before |= {part: copies(own) for part, own in parts(learner).items()}

        def compare(*_, step=step, before=before):
            moved[step] = {
                (part, name)
                for part, own in parts(learner).items()
                for name, parameter in own.items()
                if not torch.equal(parameter, before[part][name])
            }
            weights = (p for name, p in parts(learner)[step].items() if name.endswith("weight"))
            assert all(weight.grad.any() for weight in weights)

        optimizer.register_step_pre_hook(remember)
        optimizer.register_step_post_hook(compare)
    learner.learn([(images_of(bank, spec), None)], optimizers)
    for step, found in moved.items():
        weights = {(step, name) for name in parts(learner)[step] if name.endswith("weight")}
        assert found >= weights
        assert {part for part, _ in found} == {step}
    assert moved.keys() == optimizers.keys()


def test_only_the_extractor_s_step_moves_batch_statistics(bank, learner):
    statistics = dict(learner.net.named_buffers())
    before = copies(statistics)
    # Encodes the images once more for the other steps.
    learner.learn([(images_of(bank, learner.spec), None)], learner.optimizers())
    assert not any(torch.equal(statistics[name], before[name]) for name in before)
    assert all(n == 1 for name, n in statistics.items() if name.endswith("num_batches_tracked"))


def test_order_of_the_steps_and_who_is_in_training_mode(bank, learner):
    seen = []
    optimizers = learner.optimizers()
    for name, optimizer in optimizers.items():

        def note(*_, name=name):
            networks = learner.net, learner.generator, learner.discriminator
            seen.append((name, [network.training for network in networks]))

        optimizer.register_step_post_hook(note)
    learner.learn([(images_of(bank, learner.spec), None)], optimizers)
    extractor = ("main", [True, False, False])
    rest = [("generator", [False, True, False]), ("discriminator", [False, False, True])]
    assert seen == [extractor, *rest]


@pytest.mark.parametrize(("batches", "first"), [("joint", 0.0), ("apart", 0.005)])
def test_the_fakes_weigh_half_of_one_over_the_generator_s_last_loss(
    bank, make_spec, batches, first
):
    learner = make_learner(make_spec(method="adversarial", batches=batches))
    optimizers = learner.optimizers()
    steps = [
        learner.learn([(images_of(bank, learner.spec, i), None)], optimizers)[0] for i in range(3)
    ]
    assert steps[0]["fake_weight"].item() == pytest.approx(first)
    for last, step in pairwise(steps):
        assert step["fake_weight"].item() == pytest.approx(0.5 / last["generator_loss"].item())


@pytest.mark.parametrize("batches", ["joint", "apart"])
def test_the_discriminator_s_loss_is_a_mean_or_the_original_s_sum(make_spec, batches):
    spec = make_spec(method="adversarial", batches=batches, n_shot=1, n_query=2)
    with seeded("weights"):
        learner = make_learner(spec).eval()
    features, shapes = torch.randn(3, 3, 64), {"joint": [3], "apart": [1, 2]}[batches]
    with seeded("fakes"), torch.no_grad():
        loss, _ = learner._loss_of_discriminator(features)
    with seeded("fakes"), torch.no_grad():
        expected = 0
        for part in features.split(shapes, dim=1):
            fakes = learner.generator(part, torch.randn(*part.shape[:2], 2, 128))
            right = learner.discriminator(part), 1 - learner.discriminator(fakes)
            expected -= torch.cat([p.flatten() for p in right]).log().mean()
    torch.testing.assert_close(loss, expected)


def test_several_episodes_make_one_step_of_each_network(bank, learner):
    steps, optimizers = [], learner.optimizers()
    for name, optimizer in optimizers.items():
        optimizer.register_step_post_hook(lambda *_, name=name: steps.append(name))
    episodes = [(images_of(bank, learner.spec, i), None) for i in range(3)]
    known = learner.learn(episodes, optimizers)
    assert sorted(steps) == ["discriminator", "generator", "main"]
    generator_losses = torch.stack([metrics["generator_loss"] for metrics in known])
    torch.testing.assert_close(learner.generator_loss, generator_losses.mean())
    assert len(set(generator_losses.tolist())) == 3


def test_the_weight_of_the_fakes_may_be_constant(bank, make_spec):
    spec = make_spec(method="adversarial", fake_weight=0.25)
    learner = make_learner(spec)
    optimizers = learner.optimizers()
    for _ in range(2):
        assert learner.learn([(images_of(bank, spec), None)], optimizers)[0]["fake_weight"] == 0.25


def test_the_weight_decides_whether_fakes_reach_the_extractor(bank, make_spec):
    """The same first step with λ = 0 and λ = 1: only the latter feels the fake episode."""
    after = []
    for weight in (None, 1.0):
        with seeded("weights"):
            learner = make_learner(make_spec(method="adversarial", fake_weight=weight))
        with seeded("step"):
            learner.learn([(images_of(bank, learner.spec), None)], learner.optimizers())
        after.append(learner.net.mlp.transform[1].weight.detach())
    assert not torch.allclose(*after, rtol=0, atol=1e-7)


def test_a_hundred_steps_stay_finite(bank, learner):
    optimizers = learner.optimizers()
    shape = learner.spec.n_way, learner.spec.n_shot, learner.spec.n_query
    for episode in sample_episodes(bank, 100, *shape, stream("episodes")):
        metrics = learner.learn([(make_batch(bank, episode, CPU), None)], optimizers)[0]
        assert all(value.isfinite() for value in metrics.values()), metrics
    assert all(p.isfinite().all() for p in learner.parameters())


def test_what_a_step_reports_carries_no_graph(bank, learner):
    metrics = learner.learn([(images_of(bank, learner.spec), None)], learner.optimizers())[0]
    expected = {"loss", "accuracy", "fake_loss", "fake_weight", "generator_loss"}
    assert set(metrics) == expected | {"discriminator_loss"}
    assert not any(value.requires_grad for value in metrics.values())


def test_the_generator_s_last_loss_is_part_of_the_state(bank, learner):
    metrics = learner.learn([(images_of(bank, learner.spec), None)], learner.optimizers())[0]
    resumed = make_learner(learner.spec)
    resumed.load_state_dict(learner.state_dict())
    assert resumed.generator_loss == metrics["generator_loss"]
    assert resumed.generator_loss.isfinite()


def test_a_test_uses_the_extractor_alone(bank, learner):
    learner.eval()
    images = images_of(bank, learner.spec)
    logits = learner.logits(images)
    for network in (learner.generator, learner.discriminator):
        torch.nn.init.zeros_(next(network.parameters()))
    assert torch.equal(learner.logits(images), logits)


def test_prototypes_may_be_mixed_with_fakes_when_asked(learner):
    torch.manual_seed(0)
    learner.eval()
    raw = torch.rand(3, 2, 64)
    with torch.no_grad():
        mixed = learner.prototypes(Features(raw, learner.embed(raw)), 4, stream("noise"))
        real = learner.net.mlp(raw)
        fakes, noise = learner.fakes(real, 4, stream("noise"))
        assert torch.equal(noise, torch.randn(3, 2, 4, 128, generator=stream("noise")))
        expected = torch.cat([real.unsqueeze(-2), fakes], dim=-2).mean(dim=(1, 2))
        torch.testing.assert_close(mixed, learner.distance.prepare(expected), rtol=1e-4, atol=1e-4)
