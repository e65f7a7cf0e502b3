"""How fast a GPU trains, and how long it takes for all runs of a profile.

    python tests/benchmarks/gpu.py

Measures one run of the profile's matrix after the other, as plain float32 steps and as the library
takes them, on random pictures of the right size. Results go to a JSON file after each; a call
ends when its time is up and the next one goes on. Without a GPU it measures the CPU.
"""

import json
import math
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import click
import pandas as pd
import torch

from fewshot_lib.data.bank import ImageBank
from fewshot_lib.errors import InputError
from fewshot_lib.files import project_root, write_text
from fewshot_lib.learning.batches import epoch_batches, place
from fewshot_lib.learning.device import Plan, default_device, keep_freed_memory
from fewshot_lib.learning.evaluation import encode
from fewshot_lib.learning.methods import make_learner
from fewshot_lib.learning.randomness import seeded, stream
from fewshot_lib.learning.training import selection_episodes, validate
from fewshot_lib.spec.parameters import Spec
from fewshot_lib.spec.problems import PROBLEMS
from fewshot_lib.spec.profiles import load_params

PLAIN, OURS = "plain float32", "this library"
CLASSES = {"train": 64, "val": 16}


def matrix(profile: str, settings: tuple[str, ...]) -> dict[str, Spec]:
    """The different runs of the profile's problems with one seed, by name; the main ones first."""
    settings = (f"data_dir={project_root()}", *settings)
    one, two, three = load_params(profile, list(PROBLEMS), settings).values()
    main = [one.main_spec(), two.main_spec(), *three.specs().values()]
    compared = [one.distance_specs(), one.shot_specs(), two.aug_specs()]
    specs = [*main, *(spec for some in compared for spec in some.values())]
    return {name(spec): spec for spec in specs}


def name(spec: Spec) -> str:
    method = "afhn" if spec.variant == "afhn" else spec.method
    fakes = f" M={spec.n_aug}" if spec.n_aug else ""
    shape = f"{spec.n_way}-way {spec.n_shot}-shot {spec.n_query}-query"
    return f"{method} {shape}{fakes} {spec.distance} {spec.epochs}x{spec.episodes}"


def random_bank(spec: Spec, n_classes: int, per_class: int) -> ImageBank:
    """Noise as pictures: no time depends on what they show."""
    n, size = n_classes * per_class, spec.image_size
    images = torch.randint(0, 256, (n, 3, size, size), dtype=torch.uint8, generator=stream("noise"))
    labels = torch.arange(n_classes).repeat_interleave(per_class)
    names = [str(i) for i in range(n_classes)]
    return ImageBank(images, labels, names, list(map(str, range(n))), (0.5,) * 3, (0.25,) * 3)


def timed(device: torch.device, work: Callable[[], object]) -> float:
    """Seconds until the device has done all that ``work`` asks of it."""
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    wait()
    started = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - started


def batches_without_end(spec: Spec, bank: ImageBank, plan: Plan) -> Iterator[list]:
    epoch = 0
    while True:
        epoch += 1
        yield from epoch_batches(spec, bank, plan, epoch)


def measure(spec: Spec, plan: Plan, banks: dict[str, ImageBank], blocks: int, steps: int) -> dict:
    """Milliseconds of a step, batch and optimizer included: the median of some blocks of steps.

    Then the minutes of the whole run, with a validation after each epoch.
    """
    with seeded("weights"):
        learner = make_learner(spec).to(plan.device, memory_format=plan.layout).train()
    optimizers, bank = learner.optimizers(), banks["train"]
    learner.plan = plan
    if learner.frozen:  # it learns from features, which are computed once
        bank = replace(bank, images=encode(learner, bank, plan.device).embedded.clone())
    batches = batches_without_end(spec, bank, plan)

    def block() -> None:
        for _ in range(steps):
            learner.learn(next(batches), optimizers)

    warm_up = [timed(plan.device, block) for _ in range(2)]  # chooses convolutions
    step = statistics.median(timed(plan.device, block) / steps for _ in range(blocks))
    episodes = selection_episodes(spec, banks["val"])
    _, judging = (
        timed(plan.device, lambda: validate(spec, learner, banks["val"], episodes))
        for _ in range(2)
    )
    n_steps = math.ceil(spec.episodes / spec.episodes_per_step)
    seconds = sum(warm_up) + spec.epochs * (n_steps * step + judging)
    return {"ms": 1000 * step, "minutes": seconds / 60}


def table(runs: dict[str, dict[str, dict]]) -> str:
    """A row for each run: its step's time both ways, and its minutes as the library takes them."""
    rows = {
        key: {f"{way}, ms": found["ms"] for way, found in ways.items()}
        | {"minutes": ways.get(OURS, {}).get("minutes")}
        for key, ways in runs.items()
    }
    frame = pd.DataFrame.from_dict(rows, orient="index")
    return f"{frame.round(3).to_string()}\nall runs: {frame['minutes'].sum():.1f} minutes"


@click.command(help=__doc__)
@click.option("--profile", default="paper", show_default=True)
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a parameter.")
@click.option("--output", type=click.Path(path_type=Path), help="[default: reports/gpu.json]")
@click.option("--seconds", default=480, show_default=True, help="Begin no measurement after this.")
@click.option("--blocks", default=9, show_default=True)
@click.option("--steps", default=30, show_default=True, help="Steps of a block.")
@click.option("--per-class", default=600, show_default=True, help="Pictures of a class.")
def main(profile, settings, output, seconds, blocks, steps, per_class) -> None:
    ends = time.monotonic() + seconds
    keep_freed_memory()
    torch.backends.cudnn.benchmark = True  # as in a training
    device, specs = default_device(), matrix(profile, settings)
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    same = {"device": gpu or platform.processor(), "torch": torch.__version__}
    same |= {"profile": profile, "settings": list(settings)}
    output = output or project_root() / "reports" / "gpu.json"
    results = json.loads(output.read_text()) if output.exists() else {"about": same, "runs": {}}
    if results["about"] != same:
        raise click.ClickException(f"{output} holds other measurements: give another --output")
    first = next(iter(specs.values()))
    banks = {s: place(random_bank(first, n, per_class), device) for s, n in CLASSES.items()}
    for key, spec in specs.items():
        found = results["runs"].setdefault(key, {})
        for way, plan in {
            PLAIN: Plan(device, channels_last=False),
            OURS: Plan.of(spec, device),
        }.items():
            if way in found or time.monotonic() > ends:
                continue
            click.echo(f"{key}, {way} ...", err=True)
            found[way] = measure(spec, plan, banks, blocks, steps)
            write_text(output, json.dumps(results, indent=2) + "\n")
    click.echo(table(results["runs"]))
    missing = any(len(found) < 2 for found in results["runs"].values())
    click.echo(f"{output}: run again to go on" if missing else f"{output}")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"Error: {error}")
