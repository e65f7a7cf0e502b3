"""Settings that are sampled: Optuna proposes, a few at a time, what to train next."""

import warnings
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from fewshot_lib.errors import InputError
from fewshot_lib.experiments.matrix import SeedRuns, run_matrix
from fewshot_lib.experiments.runs import finished_run
from fewshot_lib.experiments.sweeps.plan import Plan, Range, Setting

if TYPE_CHECKING:
    import optuna

_SEED = 0  # of the sampler: the same file, the same settings


def train(settings: Sequence[Setting], n_episodes: int) -> Exception | None:
    """Train and judge all settings, with the engine of the environment.

    Returns:
        The error that says which runs failed and why.
    """
    specs = {(i, j): s for i, one in enumerate(settings) for j, s in enumerate(one.specs)}
    try:
        run_matrix(specs, episodes=n_episodes)
    except (InputError, RuntimeError) as error:
        return error
    return None


def finished_runs(setting: Setting) -> SeedRuns | None:
    """The setting's runs; None if one of them is missing."""
    runs = tuple(run for spec in setting.specs if (run := finished_run(spec)))
    return SeedRuns(runs) if len(runs) == len(setting.specs) else None


def search(plan: Plan, n_episodes: int) -> tuple[list[Setting], Exception | None]:
    """Sample as many settings as the plan says, and train them.

    What is tried next depends on the validation accuracy of the batches before, not on the test
    episodes that rank the settings in the end. Nor does it depend on the engine, or on whether
    runs are new: a sweep that was stopped goes on as it would have.

    Returns:
        The settings, each once, in the order in which they were tried; the error of failed runs.
    """
    from optuna.trial import TrialState

    settings: dict[str, Setting] = {}
    study, failure = _new_study(), None
    spaces = {name: _distribution(one) for name, one in plan.ranges.items()}
    for begin in range(0, plan.trials, plan.batch):
        trials = [study.ask(spaces) for _ in range(min(plan.batch, plan.trials - begin))]
        tried = [
            plan.setting({n: _value(plan.ranges[n], found) for n, found in trial.params.items()})
            for trial in trials
        ]
        failure = train(tried, n_episodes) or failure
        for trial, one in zip(trials, tried, strict=True):
            runs = finished_runs(one)
            scores = [run.result["val_accuracy"] for run in runs.seeds] if runs else []
            if scores:
                study.tell(trial, fmean(scores))
            else:
                study.tell(trial, state=TrialState.FAIL)
            settings.setdefault(one.specs[0].model_dump_json(), one)
    return list(settings.values()), failure


def _new_study() -> "optuna.Study":
    """A study that spreads each batch out: trials that are under way count as poor ones."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(seed=_SEED, constant_liar=True)
    return optuna.create_study(direction="maximize", sampler=sampler)


def _distribution(one: Range | list[Any]) -> "optuna.distributions.BaseDistribution":
    """The range as Optuna knows it; choices are numbered, so that they can be anything."""
    from optuna import distributions

    if not isinstance(one, Range):
        return distributions.CategoricalDistribution(range(len(one)))
    if one.is_whole:
        return distributions.IntDistribution(one.low, one.high, one.log, int(one.step or 1))
    return distributions.FloatDistribution(one.low, one.high, one.log, one.step)


def _value(one: Range | list[Any], found: int | float) -> Any:
    """A choice, a whole number, or a number of four digits, which tables can show."""
    if not isinstance(one, Range):
        return one[found]
    if one.is_whole:
        return found
    rounded = float(f"{found:.10g}" if one.step else f"{found:.4g}")
    return min(max(rounded, float(one.low)), float(one.high))
