"""What a test costs: 600 episodes over 9,600 images, and more episodes."""

import pytest
import torch
from race import field

from fewshot_lib.learning.evaluation import Judge
from fewshot_lib.learning.methods import make_learner
from fewshot_lib.learning.prototypical import Features
from fewshot_lib.spec.parameters import Spec

N_IMAGES, N_EPISODES = 9_600, 600
REMARK = (
    "Ours finds its images in memory, the others open files. Each episode anew is extrapolated "
    "from 20 episodes, easyfsl from a tenth of images and episodes."
)
# Measured on a share of images and episodes, and extrapolated.
SHARES = {"ours": (1, 1), "usual": (1, 1 / 30), "easyfsl": (1 / 10, 1 / 10)}
NAMES = {
    "ours": "each image once, this library",
    "usual": "each episode anew",
    "easyfsl": "cached features, easyfsl",
}


@pytest.mark.parametrize("image_size", [32, pytest.param(84, marks=pytest.mark.slow)])
def test_evaluation(race, pictures, image_size):
    tasks = {}
    for who in field(*NAMES):
        images, episodes = SHARES[who]
        tasks[NAMES[who]] = {
            "who": who,
            "what": "evaluation",
            "folder": pictures(image_size),
            "image_size": image_size,
            "n_images": round(N_IMAGES * images),
            "n_episodes": round(N_EPISODES * episodes),
            "scale": 1 / episodes,
        }
    title = (
        f"{N_EPISODES} test episodes, 5-way 1-shot 15-query, {N_IMAGES:,} images, {image_size} px"
    )
    race(title, tasks, rounds=3, remark=REMARK)


@pytest.mark.parametrize("n_episodes", [600, 2_000, 10_000])
def test_episodes_in_feature_space(benchmark, record, n_episodes):
    features = Features(*torch.randn(2, N_IMAGES, 1600))
    judge = Judge(make_learner(Spec.check({"image_size": 84})), features)
    episodes = torch.randint(N_IMAGES, (n_episodes, 5, 16))
    benchmark.pedantic(judge.evaluate, (episodes, 1), rounds=5, warmup_rounds=1)
    record(
        "Episodes alone, once the 9,600 images at 84 px are encoded",
        "this library",
        benchmark.stats.stats.data,
        episodes=n_episodes,
    )
