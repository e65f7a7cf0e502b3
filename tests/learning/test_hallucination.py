"""Problem 2: the fast average over M hallucinations is the original's loop, to rounding."""

import pytest
import torch
from pandas.testing import assert_frame_equal
from safetensors.torch import load_file
from torch import nn

from fewshot_lib.data.episodes import sample_episodes
from fewshot_lib.experiments import runs
from fewshot_lib.learning.batches import make_batch
from fewshot_lib.learning.evaluation import Judge, encode
from fewshot_lib.learning.methods import make_learner
from fewshot_lib.learning.prototypical import Features
from fewshot_lib.learning.randomness import seeded, stream
from fewshot_lib.learning.training import selection_episodes, validate
from fewshot_lib.networks.encoder import PrototypicalNet, count_parameters
from fewshot_lib.networks.hallucination import HallucinatingPrototypicalNet, HallucinationNet

CPU = torch.device("cpu")
EXACT = {torch.float64: {"rtol": 1e-10, "atol": 1e-12}, torch.float32: {"rtol": 1e-4, "atol": 1e-5}}


def test_parameter_counts_at_84_pixels():
    assert count_parameters(HallucinationNet()) == 1_333_200
    assert count_parameters(HallucinationNet(1600)) == 1_333_200
    assert count_parameters(HallucinatingPrototypicalNet()) == 5_289_888


def test_state_dict_keys_are_problem_1_s_and_the_hallucinator_s():
    keys = list(HallucinatingPrototypicalNet(16).state_dict())
    plain = list(PrototypicalNet(16).state_dict())
    own = [f"hallucinate.encoder.{i}.{kind}" for i in (0, 3) for kind in ("weight", "bias")]
    first_of_mlp = plain.index("mlp.enhance.0.weight")
    assert keys == plain[:first_of_mlp] + own + plain[first_of_mlp:]


def test_printout():
    text = str(HallucinationNet())
    assert "Linear(in_features=1728, out_features=400, bias=True)" in text
    assert "Dropout(p=0.2, inplace=False)" in text
    assert "Linear(in_features=400, out_features=1600, bias=True)" in text


def features_and_noise(dtype=torch.float32, n_aug=7):
    torch.manual_seed(0)
    features = torch.randn(4, 64, dtype=dtype, requires_grad=True)
    return features, torch.randn(4, n_aug, 128, dtype=dtype)


def masks_of(net: HallucinationNet, noise: torch.Tensor, seed: int) -> torch.Tensor:
    """What the net's dropout multiplies the hidden layer of every fake by."""
    torch.manual_seed(seed)
    dropout = next(layer for layer in net.encoder if isinstance(layer, nn.Dropout))
    return dropout(torch.ones(*noise.shape[:2], net.encoder[0].out_features, dtype=noise.dtype))


def mixed_by_loop(net: HallucinationNet, features, noise, masks):
    """Support after support: join with the noise, hallucinate, average with the real one."""
    first, _, relu, last = net.encoder
    mixed = []
    for feature, own_noise, mask in zip(features, noise, masks, strict=True):
        joined = torch.cat([feature.expand(len(own_noise), -1), own_noise], dim=1)
        fakes = last(relu(first(joined) * mask))
        mixed.append(torch.cat([feature.unsqueeze(0), fakes]).mean(0))
    return torch.stack(mixed)


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("dtype", EXACT)
@pytest.mark.parametrize("n_aug", [1, 7])
def test_the_average_equals_the_loop_and_so_do_its_gradients(dtype, training, n_aug):
    features, noise = features_and_noise(dtype, n_aug)
    net = HallucinatingPrototypicalNet(16).to(dtype).train(training)
    masks = masks_of(net.hallucinate, noise, seed=1)
    assert (masks == 0).any() == training
    torch.manual_seed(1)
    fast = net.hallucinate.mix(features, noise)
    loop = mixed_by_loop(net.hallucinate, features, noise, masks)
    torch.testing.assert_close(fast, loop, **EXACT[dtype])
    inputs = [features, *net.hallucinate.parameters()]
    weights = torch.randn_like(features)
    gradients = [torch.autograd.grad(x, inputs, weights) for x in (fast, loop)]
    torch.testing.assert_close(*gradients, **EXACT[dtype])
    assert all(g.any() for g in gradients[0])


def original_loss(learner, images, noises):
    """The original's way: supports and queries in a call each, every image in a loop of its own."""
    net, sizes, prepared = learner.net, [learner.spec.n_shot, learner.spec.n_query], []
    parts = images.unflatten(0, (learner.spec.n_way, -1)).split(sizes, dim=1)
    for part, noise in zip(parts, noises, strict=True):
        mixed = []
        for feature, z in zip(net.extractor(part.flatten(0, 1)), noise.flatten(0, 1), strict=True):
            fakes = [net.hallucinate.encoder(torch.cat([feature, one])) for one in z]
            mixed.append(torch.stack([feature, *fakes]).mean(0))
        prepared.append(net.mlp(torch.stack(mixed)).unflatten(0, part.shape[:2]))
    prototypes, queries = prepared[0].mean(1), prepared[1].flatten(0, 1)
    logits = torch.stack([-(prototypes - query).square().sum(1) for query in queries])
    return nn.functional.cross_entropy(logits, torch.arange(3).repeat_interleave(sizes[1]))


@pytest.fixture
def float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("n_shot", [1, 2])
def test_mixed_queries_are_learned_from_as_by_the_straightforward_loop(make_spec, n_shot):
    changes = {"mix_queries": True, "batches": "apart", "n_shot": n_shot}
    learner = make_learner(make_spec(method="hallucination", n_aug=5, **changes)).train()
    learner.net.hallucinate.encoder[1] = learner.net.mlp.enhance[3] = nn.Identity()  # no dropout
    images, losses, gradients, statistics = torch.randn(3 * (n_shot + 2), 3, 16, 16), [], [], []
    parameters = dict(learner.net.named_parameters())
    start = {name: value.clone() for name, value in learner.state_dict().items()}
    for way in ("fast", "loop"):
        learner.load_state_dict(start)
        with seeded("noise"):
            if way == "fast":
                loss, _ = learner.episode_loss(images)
            else:
                loss = original_loss(
                    learner, images, [torch.randn(3, n, 5, 128) for n in (n_shot, 2)]
                )
        losses.append(loss)
        found = torch.autograd.grad(loss, parameters.values(), allow_unused=True)
        gradients.append(dict(zip(parameters, found, strict=True)))
        statistics.append({name: value.clone() for name, value in learner.named_buffers()})
    torch.testing.assert_close(*losses, **EXACT[torch.float64])
    torch.testing.assert_close(*statistics, **EXACT[torch.float64])
    for name, gradient in gradients[0].items():
        if not name.endswith("conv.0.bias"):  # which batch norm takes away again
            torch.testing.assert_close(gradient, gradients[1][name], rtol=1e-8, atol=1e-10)
            assert gradient.any(), name


def test_mixed_queries_need_fakes_to_be_mixed_with(make_spec):
    learner = make_learner(make_spec(method="hallucination", mix_queries=True, n_aug=2))
    raw, embedded = torch.randn(2, 3, 64), torch.randn(2, 3, 64)
    assert learner.queries(Features(raw, embedded), 0) is embedded
    noise = torch.randn(2, 3, 4, 128, generator=stream("noise"))
    learner.eval()
    expected = learner.embed(learner.net.hallucinate.mix(raw, noise))
    assert torch.equal(learner.queries(Features(raw, embedded), 4, stream("noise")), expected)


def test_mean_is_the_mean_of_the_single_fakes():
    features, noise = features_and_noise(torch.float64)
    net = HallucinationNet(64).double().eval()
    fakes = net(features, noise)
    assert fakes.shape == (4, 7, 64)
    torch.testing.assert_close(net.mean(features, noise), fakes.mean(1), **EXACT[torch.float64])


def test_inputs_are_left_alone():
    features, noise = features_and_noise()
    before = features.detach().clone(), noise.clone()
    HallucinatingPrototypicalNet(16).eval().hallucinate.mix(features, noise)
    assert torch.equal(features, before[0])
    assert torch.equal(noise, before[1])


def test_the_network_returns_mixed_real_and_hallucinated_embeddings():
    torch.manual_seed(0)
    net = HallucinatingPrototypicalNet(16).double().eval()
    images, noise = torch.rand(2, 3, 16, 16).double(), torch.randn(2, 5, 128).double()
    mixed, real, fakes = net(images, noise)
    features = net.extractor(images)
    torch.testing.assert_close(real, net.mlp(features))
    torch.testing.assert_close(fakes[1, 3], net.mlp(net.hallucinate(features, noise)[1, 3]))
    torch.testing.assert_close(mixed, net.mlp(net.hallucinate.mix(features, noise)))


def test_without_hallucinations_a_run_is_problem_1_s_bit_for_bit(project, make_spec):
    plain = runs.run(make_spec(method="prototypical"))
    hallucinating = runs.run(make_spec(method="hallucination", n_aug=0))
    assert plain.folder != hallucinating.folder
    assert_frame_equal(*(r.history.drop(columns="seconds") for r in (plain, hallucinating)))
    weights, others = (
        load_file(run.folder / "weights.safetensors") for run in (plain, hallucinating)
    )
    assert all(torch.equal(weights[name], others[name]) for name in weights)


def test_training_reaches_the_hallucinator(bank, make_spec):
    learner = make_learner(make_spec(method="hallucination", n_aug=2)).train()
    before = [p.detach().clone() for p in learner.net.hallucinate.parameters()]
    learner.learn([(make_batch(bank, torch.arange(9), CPU), None)], learner.optimizers())
    after = learner.net.hallucinate.parameters()
    assert not any(torch.equal(a, b) for a, b in zip(after, before, strict=True))


def predictions(learner, bank, n_aug, *name):
    episodes = sample_episodes(bank, 40, 5, 1, 5, stream("episodes"))
    judge = Judge(learner, encode(learner, bank, CPU), n_aug, ("noise", *name))
    return judge.evaluate(episodes, 1).predictions


def test_an_evaluation_with_noise_repeats_exactly(bank, make_spec):
    with seeded("weights"):
        learner = make_learner(make_spec(method="hallucination", n_aug=2))
    first = predictions(learner, bank, 2, "same")
    torch.randn(10)
    assert torch.equal(first, predictions(learner, bank, 2, "same"))
    assert not torch.equal(first, predictions(learner, bank, 2, "other"))


def test_testing_may_hallucinate_another_number_than_training(bank, make_spec):
    spec = make_spec(method="hallucination", n_aug=2, n_aug_test=5)
    with seeded("weights"):
        learner = make_learner(spec)
    episodes = selection_episodes(spec, bank)
    row = validate(spec, learner, bank, episodes)
    judge = Judge(learner, encode(learner, bank, CPU), 5, ("selection noise",))
    expected = judge.evaluate(episodes, spec.n_shot_test)
    assert row["val_accuracy"] == expected.accuracy.mean


def test_the_default_evaluation_takes_the_number_of_the_test(project, make_spec):
    run = runs.run(make_spec(method="hallucination", n_aug=1, n_aug_test=4, epochs=1))
    run.evaluate(10)
    run.evaluate(10, n_aug=4)
    assert len(list((run.folder / "evaluations").iterdir())) == 1
    run.evaluate(10, n_aug=0)
    assert len(list((run.folder / "evaluations").iterdir())) == 2


def test_a_method_that_hallucinates_nothing_refuses_a_number(make_spec):
    learner = make_learner(make_spec())
    features = torch.randn(3, 1, 64)
    with pytest.raises(ValueError, match="PrototypicalLearner hallucinates nothing"):
        learner.prototypes(Features(features, features), n_aug=1)


def test_residual_fakes_start_as_copies_and_learn_to_differ(bank, make_spec):
    spec = make_spec(method="hallucination", n_aug=3, residual=True, lr=0.1)
    with seeded("weights"):
        learner = make_learner(spec)
    raw = torch.randn(4, 64)
    noise = torch.randn(4, 3, 128)
    assert torch.equal(learner.net.hallucinate(raw, noise), raw.unsqueeze(1).expand(-1, 3, -1))
    assert torch.allclose(learner.net.hallucinate.mix(raw, noise), raw)
    optimizers = learner.optimizers()
    for start in range(3):
        learner.learn([(make_batch(bank, torch.arange(9) + start, CPU), None)], optimizers)
    learner.eval()
    fakes = learner.net.hallucinate(raw, noise)
    assert not torch.allclose(fakes[:, 0], fakes[:, 1])
    assert torch.allclose(learner.net.hallucinate.mean(raw, noise), fakes.mean(1), atol=1e-5)
