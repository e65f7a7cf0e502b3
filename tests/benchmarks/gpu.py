"""How fast a GPU trains, and how long it takes for all runs of a profile.

    python tests/benchmarks/gpu.py

Measures one run of the profile's matrix after the other, as plain float32 steps and as the library
takes them, on random pictures of the right size. Results go to a JSON file after each; a call
ends when its time is up and the next one goes on. Without a GPU it measures the CPU.
"""

import json
import platform
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # a checkout that is not installed
from fewshot_lib.data.bank import ImageBank
from fewshot_lib.data.episodes import sample_episodes
from fewshot_lib.errors import InputError
from fewshot_lib.files import project_root, write_text
from fewshot_lib.learning.batches import epoch_batches, place
from fewshot_lib.learning.device import Plan, default_device, keep_freed_memory, make_plan
from fewshot_lib.learning.evaluation import encode, evaluate
from fewshot_lib.learning.methods import make_learner
from fewshot_lib.learning.randomness import seeded, stream
from fewshot_lib.spec.parameters import Spec
from fewshot_lib.spec.problems import PROBLEMS
from fewshot_lib.spec.profiles import load_params

sys.path.insert(0, str(Path(__file__).resolve().parent))
from step_costs import bytes_moved, flops

VARIANTS = ("float32", "bfloat16", "optimised")


def matrix(profile: str, settings: tuple[str, ...]) -> tuple[dict[str, Spec], list[str]]:
    """The different runs of the profile's problems with one seed, named, and what to measure.

    The main runs are measured in all variants, the rest as the library takes them.
    """
    settings = (f"data_dir={project_root()}", *settings)
    one, two, three = load_params(profile, list(PROBLEMS), settings).values()
    main = [one.main_spec(), two.main_spec(), *three.specs().values()]
    compared = [one.distance_specs(), one.shot_specs(), two.aug_specs()]
    specs = [*main, *(spec for some in compared for spec in some.values())]
    named = {name(spec): spec for spec in specs}
    tasks = [f"{name(spec)} | {variant}" for variant in VARIANTS for spec in main]
    tasks += [f"{key} | optimised" for key in named]
    return named, list(dict.fromkeys(tasks))


def name(spec: Spec) -> str:
    method = "afhn" if spec.variant == "afhn" else spec.method
    fakes = f" M={spec.n_aug}" if spec.n_aug else ""
    shape = f"{spec.n_way}-way {spec.n_shot}-shot {spec.n_query}-query"
    return f"{method} {shape}{fakes} {spec.distance} {spec.epochs}x{spec.episodes}"


def plan_of(variant: str, spec: Spec, device: torch.device) -> Plan:
    """float32 as written; bfloat16 likewise, with its memory layout; all the library does."""
    if variant == "optimised":
        return make_plan(spec, device)
    half = variant == "bfloat16"
    return Plan(device, bfloat16=half, channels_last=half)


def random_bank(spec: Spec, n_classes: int, per_class: int) -> ImageBank:
    """Noise as pictures: no time depends on what they show."""
    n, size = n_classes * per_class, spec.image_size
    images = torch.randint(0, 256, (n, 3, size, size), dtype=torch.uint8, generator=stream("noise"))
    labels = torch.arange(n_classes).repeat_interleave(per_class)
    names = [str(i) for i in range(n_classes)]
    return ImageBank(images, labels, names, list(map(str, range(n))), (0.5,) * 3, (0.25,) * 3)


def wait(device: torch.device) -> None:
    """Until the device has done all it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def batches_without_end(spec: Spec, bank: ImageBank, plan: Plan) -> Iterator[list]:
    epoch = 0
    while True:
        epoch += 1
        yield from epoch_batches(spec, bank, plan, epoch)


def measure(spec: Spec, plan: Plan, banks: dict[str, ImageBank], blocks: int, steps: int) -> dict:
    """Milliseconds of a step, batch and optimizer included: the median of some blocks of steps."""
    device = plan.device
    with seeded("weights"):
        learner = make_learner(spec).to(device, memory_format=plan.layout).train()
    optimizers = learner.optimizers()
    learner.plan = plan
    bank = banks["train"]
    if learner.frozen:  # it learns from features, which are computed once
        bank = replace(bank, images=encode(learner, bank, device).embedded.clone())
    batches = batches_without_end(spec, bank, plan)
    finite: list[bool] = []
    torch.cuda.empty_cache()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)

    def run() -> float:
        wait(device)
        started = time.perf_counter()
        for _ in range(steps):
            metrics = learner.learn(next(batches), optimizers)
        wait(device)
        seconds = time.perf_counter() - started
        finite.append(all(value.isfinite() for value in metrics[0].values()))
        return seconds

    warm_up = run() + run()  # chooses convolutions
    seconds = [run() / steps for _ in range(blocks)]
    return {
        "ms": 1000 * statistics.median(seconds),
        "ms_of_blocks": [1000 * value for value in seconds],
        "warm_up_s": warm_up,
        "finite": all(finite),
        "peak_mb": torch.cuda.max_memory_allocated(device) / 1e6 if device.type == "cuda" else None,
        "plan": {"bfloat16": plan.bfloat16, "channels_last": plan.channels_last}
        | {"tf32": torch.backends.cudnn.allow_tf32},
        "validation_s": validation_seconds(learner, banks["val"]),
    } | costs(learner, plan)


def validation_seconds(learner, bank: ImageBank) -> float:
    """One validation as after each epoch; the second of two."""
    spec, device = learner.spec, learner.plan.device
    shape = spec.n_way_test, spec.n_shot_test, spec.n_query_test
    episodes = sample_episodes(bank, spec.episodes_val, *shape, stream("val"))
    for _ in range(2):
        wait(device)
        started = time.perf_counter()
        features = encode(learner, bank, device)
        evaluate(learner, features, episodes, spec.n_shot_test, spec.n_aug_test, stream("noise"))
    return time.perf_counter() - started


def costs(learner, plan: Plan) -> dict:
    return {
        "gb_moved": bytes_moved(learner, item=2 if plan.bfloat16 else 4) / 1e9,
        "gflop": flops(learner) / 1e9,
    }


def ceilings(device: torch.device, tiny: bool) -> dict:
    """Bytes read and written per second by a copy, and matrix products' rates, best of ten."""
    n, side = (2**20, 256) if tiny else (2**28, 8192)
    source, target = torch.randn(n, device=device), torch.empty(n, device=device)
    rates = {"copy_gb_s": 2 * source.nbytes / best(device, lambda: target.copy_(source)) / 1e9}
    for dtype in (torch.float32, torch.bfloat16):
        a, b = torch.randn(2, side, side, device=device).to(dtype)
        seconds = best(device, lambda a=a, b=b: a @ b)
        rates[f"{str(dtype).removeprefix('torch.')}_tflop_s"] = 2 * side**3 / seconds / 1e12
    return rates


def best(device: torch.device, work) -> float:
    seconds = []
    for _ in range(12):
        wait(device)
        started = time.perf_counter()
        work()
        wait(device)
        seconds.append(time.perf_counter() - started)
    return min(seconds[2:])


def about(device: torch.device, profile: str, settings: tuple[str, ...]) -> dict:
    """What results of several calls must have in common."""
    gpu = device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if gpu else platform.processor() or "CPU",
        "torch": torch.__version__,
        "cuda": torch.version.cuda if gpu else None,
        "profile": profile,
        "settings": list(settings),
    }


def floor_ms(run: dict, rates: dict) -> float:
    """The time below which the step cannot fall: moving its bytes or doing its arithmetic."""
    kind = "bfloat16" if run["plan"]["bfloat16"] else "float32"
    moving = run["gb_moved"] / rates["copy_gb_s"]
    return 1000 * max(moving, run["gflop"] / 1000 / rates[f"{kind}_tflop_s"])


def summary(results: dict, specs: dict[str, Spec]) -> dict:
    """Share of the roofline of each run, and what all runs take together, in minutes."""
    shares, minutes, missing = {}, {}, []
    for key, spec in specs.items():
        run = results["runs"].get(f"{key} | optimised", {})
        if "ms" not in run:
            missing.append(key)
            continue
        shares[key] = floor_ms(run, results["ceilings"]) / run["ms"]
        steps = -(-spec.episodes // spec.episodes_per_step)
        seconds = spec.epochs * (steps * run["ms"] / 1000 + run["validation_s"])
        minutes[key] = (seconds + run["warm_up_s"]) / 60
    total = None if missing else sum(minutes.values())
    return {"roofline_share": shares, "minutes": minutes, "missing": missing, "all_minutes": total}


def table(results: dict, specs: dict[str, Spec]) -> Iterator[str]:
    yield f"{'run':64} " + " ".join(f"{v:>10}" for v in VARIANTS) + "    of roofline  minutes"
    found = results["summary"]
    for key in specs:
        runs = [results["runs"].get(f"{key} | {variant}", {}) for variant in VARIANTS]
        times = " ".join(f"{run['ms']:7.3f} ms" if "ms" in run else f"{'-':>10}" for run in runs)
        share, minutes = found["roofline_share"].get(key), found["minutes"].get(key)
        end = f"{100 * share:13.0f} % {minutes:8.1f}" if share is not None else ""
        yield f"{key:64} {times} {end}"
    total = found["all_minutes"]
    yield "all runs: " + (f"{total:.1f} minutes" if total is not None else "not measured yet")


@click.command(help=__doc__)
@click.option("--profile", default="paper", show_default=True)
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a parameter.")
@click.option("--output", type=click.Path(path_type=Path), help="[default: reports/gpu.json]")
@click.option("--seconds", default=480, show_default=True, help="Begin no measurement after this.")
@click.option("--blocks", default=9, show_default=True)
@click.option("--steps", default=30, show_default=True, help="Steps of a block.")
@click.option("--per-class", default=600, show_default=True, help="Pictures of a class.")
@click.option("--tiny", is_flag=True, help="Measure the ceilings with small arrays.")
def main(profile, settings, output, seconds, blocks, steps, per_class, tiny) -> None:
    ends = time.monotonic() + seconds
    keep_freed_memory()
    torch.backends.cudnn.benchmark = True  # as in a training
    device, (specs, tasks) = default_device(), matrix(profile, settings)
    output = output or project_root() / "reports" / "gpu.json"
    results = json.loads(output.read_text()) if output.exists() else {"runs": {}}
    same = about(device, profile, settings)
    if results.setdefault("about", same) != same:
        raise click.ClickException(f"{output} holds other measurements: give another --output")
    if "ceilings" not in results:
        results["ceilings"] = ceilings(device, tiny)
    spec = next(iter(specs.values()))
    sizes = {"train": 64, "val": 16}
    banks = {split: place(random_bank(spec, n, per_class), device) for split, n in sizes.items()}
    for key in tasks:
        if key in results["runs"] or time.monotonic() > ends:
            continue
        run_key, variant = key.split(" | ")
        spec = specs[run_key]
        plan = plan_of(variant, spec, device)
        click.echo(f"{key} ...", err=True)
        try:
            results["runs"][key] = measure(spec, plan, banks, blocks, steps)
        except RuntimeError as error:
            results["runs"][key] = {"error": str(error)[-2000:]}
            click.echo(f"{key}: {str(error).splitlines()[0]}", err=True)
        results["summary"] = summary(results, specs)
        write_text(output, json.dumps(results, indent=2) + "\n")
        wait(device)  # fails, and ends this call, if an error has made the device unusable
    results["summary"] = summary(results, specs)
    click.echo("\n".join(table(results, specs)))
    click.echo(f"{output}: run again to go on" if results["summary"]["missing"] else f"{output}")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"Error: {error}")
