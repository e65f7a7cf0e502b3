"""What an episode of training costs, from files or memory to the optimizer's step."""

import pytest
from race import field

from fewshot_lib.networks.encoder import HIDDEN, feature_size

NAMES = {
    "ours": "this library",
    "rounded": "this library in bfloat16",
    "usual": "as usually written",
    "easyfsl": "easyfsl",
}


def tasks(names, folder, **shape) -> dict[str, dict]:
    return {
        NAMES[name]: {"who": name, "what": "training", "folder": folder, **shape}
        for name in field(*names)
    }


def flops(n_images: int, image_size: int) -> float:
    """Arithmetic of a step: two for a multiplication and addition, forward and backward.

    Backward costs twice the forward, but no gradient is taken of the images themselves.
    """
    size, channels, total = image_size, 3, 0.0
    for layer in range(4):
        forward = 2 * 9 * channels * HIDDEN * size**2
        total += forward * (3 if layer else 2)
        size, channels = size // 2, HIDDEN
    width = feature_size(image_size)
    head = 2 * (width * width // 4 * 2 + width * width)
    return n_images * (total + 3 * head)


@pytest.mark.parametrize(
    ("n_way", "image_size", "rounds"),
    [(30, 32, 7), (5, 84, 7), pytest.param(30, 84, 3, marks=pytest.mark.slow)],
)
def test_training_step(race, record, pictures, gemm_rate, n_way, image_size, rounds):
    title = f"Training step, {n_way}-way 1-shot 15-query, {image_size} px, seconds"
    shape = {"image_size": image_size, "n_way": n_way, "n_shot": 1, "n_query": 15}
    racers = race(title, tasks(NAMES, pictures(image_size), **shape), rounds)
    for name, racer in racers.items():
        remark = "Of the whole process; ours holds all images and keeps what it freed."
        record(f"{title}: peak memory in MB", name, racer.times("peak"), remark)
    ours = racers[NAMES["ours"]]
    work = flops(n_way * 16, image_size)
    share = work / gemm_rate / (min(ours.times()) - min(ours.times("loading")))
    remark = (
        f"Our step is {work / 1e9:.1f} GFLOP; matrix products run at {gemm_rate / 1e9:.0f} GFLOP/s "
        f"here, so {100 * share:.0f} % of our best step is arithmetic."
    )
    for name, racer in racers.items():
        record(f"{title}: loading the images alone", name, racer.times("loading"), remark)


SWEEPS = {
    "n_way": ([5, 10, 20, 30], {"image_size": 32}),
    "n_shot": ([1, 5, 10], {"image_size": 32}),
    "image_size": ([32, 48, 64, 84], {}),
}
POINTS = [(axis, x) for axis, (values, _) in SWEEPS.items() for x in values]


@pytest.mark.slow
@pytest.mark.parametrize(("axis", "x"), POINTS)
def test_training_step_over(race, pictures, axis, x):
    shape = {"n_way": 5, "n_shot": 1, "n_query": 15} | SWEEPS[axis][1] | {axis: x}
    fixed = ", ".join(f"{k}={v}" for k, v in shape.items() if k != axis)
    contestants = tasks(["ours", "usual"], pictures(shape["image_size"]), **shape)
    race(f"Training step by {axis} ({fixed})", contestants, 5, **{axis: x})
