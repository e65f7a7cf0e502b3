"""Evaluation: what is counted, how sure it is, and that encoding once changes nothing."""

import math
from dataclasses import replace

import pytest
import torch

from fewshot_lib.data.bank import ImageBank
from fewshot_lib.data.episodes import sample_episodes
from fewshot_lib.learning import evaluation
from fewshot_lib.learning.batches import make_batch
from fewshot_lib.learning.evaluation import Evaluation, Judge, encode
from fewshot_lib.learning.intervals import Interval
from fewshot_lib.learning.methods import make_learner
from fewshot_lib.learning.prototypical import PrototypicalLearner
from fewshot_lib.learning.randomness import seeded, stream
from fewshot_lib.networks.encoder import NOISE_SIZE

CPU = torch.device("cpu")


class Pixels(PrototypicalLearner):
    """Its features are the pixels themselves."""

    def raw(self, images):
        return images.flatten(1)

    def embed(self, raw):
        return raw


@pytest.fixture
def greys() -> ImageBank:
    """Three classes of even grey: a = 10, 20, b = 24, 100 and c = 200, 210."""
    levels = torch.tensor([10, 20, 24, 100, 200, 210], dtype=torch.uint8)
    return ImageBank(
        images=levels.view(6, 1, 1, 1).expand(-1, 3, 16, 16),
        labels=torch.tensor([0, 0, 1, 1, 2, 2]),
        class_names=["a", "b", "c"],
        ids=[str(level) for level in levels.tolist()],
        mean=(0, 0, 0),
        std=(1, 1, 1),
    )


@pytest.fixture
def judged(greys, make_spec) -> Evaluation:
    """Two episodes, supports first; the 24 of class b is taken for class a's."""
    learner = Pixels(make_spec())
    episodes = torch.tensor([[[0, 1], [3, 2]], [[4, 5], [1, 0]]])
    return Judge(learner, encode(learner, greys, CPU)).evaluate(episodes, n_shot=1)


def test_accuracy_by_hand(judged):
    assert judged.predictions.tolist() == [[[0], [0]], [[0], [1]]]
    assert judged.correct.tolist() == [[[True], [False]], [[True], [True]]]
    assert judged.accuracies.tolist() == [0.5, 1.0]
    assert judged.accuracy == Interval(0.75, pytest.approx(1.96 * 0.25 / math.sqrt(2)), 2)


def test_supports_are_averaged(greys, make_spec):
    learner = Pixels(make_spec())
    episodes = torch.tensor([[[0, 1, 1], [2, 3, 2]]])  # prototypes 15 and 62, queries 20 and 24
    result = Judge(learner, encode(learner, greys, CPU)).evaluate(episodes, n_shot=2)
    assert result.predictions.tolist() == [[[0], [0]]]


def test_confusion_by_hand(judged, greys):
    assert judged.confusion(greys).tolist() == [[2, 0, 0], [1, 0, 0], [0, 0, 1]]


def test_class_accuracies_by_hand_best_first(judged, greys):
    rates = judged.class_accuracies(greys)
    assert rates.to_dict() == {"a": 1.0, "c": 1.0, "b": 0.0}
    assert rates.index[-1] == "b"


def test_interval_uses_the_population_s_spread():
    found = Interval.of(torch.tensor([0.2, 0.4, 0.9]))
    spread = math.sqrt((0.3**2 + 0.1**2 + 0.4**2) / 3)
    assert found == Interval(pytest.approx(0.5), pytest.approx(1.96 * spread / math.sqrt(3)), 3)
    assert (found.low, found.high) == (found.mean - found.ci95, found.mean + found.ci95)
    assert Interval.of(torch.tensor([0.5])) == Interval(0.5, 0, 1)


def test_interval_in_words():
    assert str(Interval(0.49483, 0.00844, 600)) == "49.48 ± 0.84 %"


def test_differences_are_paired(judged):
    other = Evaluation(judged.episodes, torch.tensor([[[0], [1]], [[1], [1]]]))
    gaps = torch.tensor([-0.5, 0.5])
    assert judged.minus(other) == Interval.of(gaps)
    assert judged.minus(judged) == Interval(0, 0, 2)


def test_a_difference_needs_the_same_queries_but_not_the_same_supports(judged):
    others = judged.episodes.clone()
    others[..., 0] += 1
    assert judged.minus(Evaluation(others, judged.predictions)).mean == 0
    others[0, 0, 1] += 1
    with pytest.raises(ValueError, match="same queries"):
        judged.minus(Evaluation(others, judged.predictions))
    with pytest.raises(ValueError, match="same queries"):
        judged.minus(Evaluation(judged.episodes[:1], judged.predictions[:1]))


def make(spec):
    with seeded("weights"):
        return make_learner(spec).eval()


def test_encoding_in_chunks_equals_encoding_at_once(bank, make_spec, method, monkeypatch):
    learner = make(make_spec(**method)).train()
    chunked = encode(learner, bank, CPU)
    monkeypatch.setattr(evaluation, "_PIXELS_AT_ONCE", {"cpu": 10**9})
    whole = encode(learner, bank, CPU)
    assert chunked.raw.shape == chunked.embedded.shape == (72, 64)
    for part, other in zip(chunked, whole, strict=True):
        torch.testing.assert_close(part, other, rtol=1e-4, atol=1e-3)
    assert not chunked.raw.requires_grad


def test_features_may_be_means_over_mirror_images(bank, make_spec, method):
    plain, learner = (make(make_spec(**method, flip_test=flip)) for flip in (False, True))
    found, once = (encode(each, bank, CPU) for each in (learner, plain))
    mirrored = encode(plain, replace(bank, images=bank.images.flip(-1)), CPU)
    raw = (once.raw + mirrored.raw) / 2
    torch.testing.assert_close(found.raw, raw, rtol=1e-4, atol=1e-4)
    with torch.no_grad():
        embedded = plain.embed(found.raw)
    torch.testing.assert_close(found.embedded, embedded, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(found.raw, once.raw, atol=1e-3)


def test_mirror_images_have_the_same_features(bank, make_spec):
    learner = make(make_spec(flip_test=True))
    mirrored = replace(bank, images=bank.images.flip(-1))
    pair = (encode(learner, images, CPU).embedded for images in (bank, mirrored))
    torch.testing.assert_close(*pair, rtol=1e-4, atol=1e-4)


def test_encoding_leaves_batch_statistics_alone(bank, make_spec):
    learner = make(make_spec()).train()
    before = {name: buffer.clone() for name, buffer in learner.named_buffers()}
    encode(learner, bank, CPU)
    assert all(torch.equal(buffer, before[name]) for name, buffer in learner.named_buffers())


def judge_alone(learner, bank, episode, n_shot, noise):
    """One episode by itself: all its images through the whole network, no shortcut."""
    images, n_way = make_batch(bank, episode, CPU), len(episode)
    if noise is None:
        mixed = real = learner.net(images)
    else:
        mixed, real, _ = learner.net(images, noise.flatten(0, 1))
    of_queries = mixed if learner.spec.mix_queries else real
    support, query = (x.view(n_way, -1, 64) for x in (mixed, of_queries))
    support, query = support[:, :n_shot], query[:, n_shot:]
    logits = learner.distance(query.flatten(0, 1), support.mean(1))
    return logits.argmax(-1).view(n_way, -1)


@pytest.mark.parametrize("distance", ["euclidean", "cosine", "parametric"])
@pytest.mark.parametrize("n_shot", [1, 3])
def test_encoding_once_equals_encoding_every_episode(bank, make_spec, method, distance, n_shot):
    learner = make(make_spec(**method, distance=distance, n_shot=n_shot))
    episodes = sample_episodes(bank, 20, 4, n_shot, 3, stream("episodes"))
    n_aug, noises = learner.spec.n_aug, [None] * 20
    if n_aug:
        generators = stream("noise"), stream("of queries", stream("noise").initial_seed())
        noises = torch.cat(
            [
                torch.randn(20, 4, n, n_aug, NOISE_SIZE, generator=generator)
                for n, generator in zip((n_shot, 3), generators, strict=True)
            ],
            dim=2,
        )
    judge = Judge(learner, encode(learner, bank, CPU), n_aug, ("noise",))
    found = judge.evaluate(episodes, n_shot)
    assert torch.equal(judge.evaluate(episodes, n_shot).predictions, found.predictions)
    with torch.no_grad():
        pairs = zip(episodes, noises, strict=True)
        expected = [judge_alone(learner, bank, episode, n_shot, noise) for episode, noise in pairs]
    assert torch.equal(found.predictions, torch.stack(expected))
    assert len(found.predictions.unique()) == 4


def test_blocks_of_episodes_join_in_order(bank, make_spec, monkeypatch):
    learner = make(make_spec())
    episodes = sample_episodes(bank, 30, 3, 1, 4, stream("episodes"))
    judge = Judge(learner, encode(learner, bank, CPU))
    whole = judge.evaluate(episodes, 1)
    monkeypatch.setattr(evaluation, "_EPISODES_AT_ONCE", 7)
    assert torch.equal(judge.evaluate(episodes, 1).predictions, whole.predictions)


def test_mixed_queries_do_not_depend_on_the_size_of_a_block(bank, make_spec, monkeypatch):
    learner = make(make_spec(method="hallucination", n_aug=5, mix_queries=True))
    episodes = sample_episodes(bank, 8, 3, 1, 4, stream("episodes"))
    features = encode(learner, bank, CPU)
    found = []
    for size in (10_000, 1):
        monkeypatch.setattr(evaluation, "FAKES_AT_ONCE", size)
        judge, support = Judge(learner, features, 5, ("noise",)), episodes[..., :1]
        found.append(torch.cat([*judge.logits(support, episodes[..., 1:].flatten(1))]))
        alone = judge.query_features()
        found[-1] = torch.cat([found[-1].flatten(), alone.flatten()])
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(alone, features.embedded, rtol=1e-3, atol=1e-3)


def test_many_hallucinations_are_made_in_smaller_blocks(bank, make_spec, monkeypatch):
    learner = make(make_spec(method="hallucination", n_aug=5))
    episodes = sample_episodes(bank, 8, 3, 1, 4, stream("episodes"))
    features = encode(learner, bank, CPU)
    sizes = []
    prototypes = learner.prototypes

    def watched(support, *rest):
        sizes.append(len(support.raw))
        return prototypes(support, *rest)

    monkeypatch.setattr(learner, "prototypes", watched)
    monkeypatch.setattr(evaluation, "FAKES_AT_ONCE", 50)  # three episodes of 3 · 5 fakes
    Judge(learner, features, 5, ("noise",)).evaluate(episodes, 1)
    Judge(learner, features, 100, ("noise",)).evaluate(episodes, 1)
    assert sizes == [3, 3, 2] + [1] * 8
