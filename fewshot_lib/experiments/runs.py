"""A typed spec becomes a trained run: made once, kept in a folder, found again by its hash."""

import contextlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml

from fewshot_lib.data.bank import ImageBank, data_identity, load_bank
from fewshot_lib.data.episodes import sample_episodes
from fewshot_lib.experiments.folders import DATA, RESULT, SPEC
from fewshot_lib.experiments.ledger import note_accuracy
from fewshot_lib.experiments.provenance import git_commit, threads
from fewshot_lib.files import hold_lock, read_array, runs_folder, write_array, write_text
from fewshot_lib.learning.checkpoints import HISTORY, PREVIOUS, STATE, WEIGHTS
from fewshot_lib.learning.device import default_device
from fewshot_lib.learning.evaluation import Evaluation, Judge, encode
from fewshot_lib.learning.intervals import Interval
from fewshot_lib.learning.methods import make_learner
from fewshot_lib.learning.prototypical import Features, PrototypicalLearner
from fewshot_lib.learning.randomness import stream
from fewshot_lib.learning.training import train
from fewshot_lib.learning.weights import Trained, keep_class_means, load_state, load_trained
from fewshot_lib.networks.calibration import class_means
from fewshot_lib.networks.encoder import count_parameters
from fewshot_lib.spec.parameters import DataParams, Spec
from fewshot_lib.spec.words import run_title

_LOCK = ".lock"


@cache
def _bank_of(params: str, split: str) -> ImageBank:
    """The split's images, kept in memory for all runs of this process."""
    return load_bank(DataParams.model_validate_json(params), split)


def bank_for(spec: DataParams, split: str) -> ImageBank:
    """The images a run uses; the same object for all runs on the same data."""
    return _bank_of(_data_params(spec), split)


def _data_params(spec: DataParams) -> str:
    """What the spec says of its data, as JSON: the same text for all runs on the same data."""
    return spec.model_dump_json(include=set(DataParams.model_fields))


@dataclass(frozen=True)
class Run:
    """A finished training run.

    Attributes:
        file: of the weights, in the folder.
    """

    spec: Spec
    folder: Path
    file: str = WEIGHTS

    @cached_property
    def result(self) -> dict:
        """What came out: best epoch, its validation accuracy, seconds, parameters; and how: device,
        threads, version of torch, commit, when it was finished.
        """
        return json.loads((self.folder / RESULT).read_text())

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row per epoch: epoch, lr, losses, accuracies (0..1), seconds."""
        return pd.read_csv(self.folder / HISTORY)

    @property
    def pretraining(self) -> "Run | None":
        """The classifier that this run started from; None if there is none, or none any more."""
        if not self.spec.pretrain_epochs:
            return None
        bank = bank_for(self.spec, "train")
        return finished_run(self.spec.pretraining(len(bank.class_names), len(bank.labels)))

    def accuracy_at(self, epoch: int) -> Interval:
        """Validation accuracy after this epoch, on the episodes that choose the best one."""
        row = self.history.iloc[epoch - 1]
        return Interval(row["val_accuracy"], row["val_ci95"], self.spec.episodes_val)

    @property
    def epoch_seconds(self) -> Interval:
        """Seconds per epoch of this run, training and validation."""
        return Interval.of_few(torch.tensor(self.history["seconds"].to_numpy()))

    @cached_property
    def _trained(self) -> Trained:
        return load_trained(self.folder / self.file)

    @property
    def learner(self) -> PrototypicalLearner:
        """The learner with the best epoch's weights, as others get them, in evaluation mode."""
        return self._trained.learner

    @cached_property
    def _features(self) -> dict[str, Features]:
        return {}

    def features(self, split: str = "val") -> Features:
        """Features of every image of the split, computed once."""
        if split not in self._features:
            bank = bank_for(self.spec, split)
            self._features[split] = encode(self.learner, bank, default_device())
        return self._features[split]

    @cached_property
    def class_means(self) -> torch.Tensor:
        """Means of the training classes' images as queries are compared, ``(n_classes, d)``.

        They are kept with the weights.
        """
        if self._trained.kept_means is not None:
            return self._trained.kept_means
        bank = bank_for(self.spec, "train")
        features = encode(self.learner, bank, default_device())
        judge = Judge(self.learner, features, self.spec.n_aug_test, ("class means noise",))
        means = class_means(judge.query_features(), bank.labels)
        return keep_class_means(self._trained.path, means)

    @property
    def weights_hash(self) -> str:
        """Twelve hex digits of the weights that the test uses, as others get them."""
        return self._trained.fingerprint

    def evaluate(
        self,
        n_episodes: int,
        n_shot: int | None = None,
        n_aug: int | None = None,
        split: str = "val",
        calibrated: bool = False,
    ) -> Evaluation:
        """Judge the run on fresh episodes of the split, the same for every run.

        They differ from those that chose the epoch. The result is kept in the run's folder.

        Args:
            n_shot, n_aug: as in the run's validation by default.
            calibrated: whether prototypes lean on the training classes, see
                ``calibration.calibrate``.
        """
        n_shot = n_shot or self.spec.n_shot_test
        n_aug = self.spec.n_aug_test if n_aug is None else n_aug
        how = {"n_shot": n_shot, "n_aug": n_aug, "split": split, "calibrated": calibrated}
        episodes = self.episodes(n_episodes, n_shot, split)
        path = self._evaluation_file(n_episodes, **how)
        if (kept := read_array(path)) is None:
            evaluation = self.judge(**how).evaluate(episodes, n_shot)
            write_array(path, evaluation.predictions.numpy().astype(np.int16))
        else:
            evaluation = Evaluation(episodes, torch.from_numpy(kept).long())
        name, weights, accuracy = self.folder.name, self.weights_hash, evaluation.accuracy
        note_accuracy(name, weights, accuracy, n_episodes=n_episodes, **how)
        return evaluation

    def judge(self, n_shot: int, n_aug: int, split: str, calibrated: bool = False) -> Judge:
        """The run as it judges the report's episodes; arguments as of ``evaluate``.

        What it predicts is computed anew, whatever predictions the run's folder holds.
        """
        noise = "report noise", split, *self._test_shape(n_shot)
        class_means = self.class_means if calibrated else None
        return Judge(self.learner, self.features(split), n_aug, noise, class_means)

    def episodes(self, n_episodes: int, n_shot: int, split: str) -> torch.Tensor:
        """The report's episodes, int64 ``(n_episodes, n_way, n_shot + n_query)``."""
        shape = self._test_shape(n_shot)
        source = stream("report", split, *shape)
        return sample_episodes(bank_for(self.spec, split), n_episodes, *shape, source)

    def _test_shape(self, n_shot: int) -> tuple[int, int, int]:
        """Ways, shots and queries of the report's episodes."""
        return self.spec.n_way_test, n_shot, self.spec.n_query_test

    def _evaluation_file(
        self, n_episodes: int, n_shot: int, n_aug: int, split: str, calibrated: bool
    ) -> Path:
        n_way, _, n_query = self._test_shape(n_shot)
        shape = f"{n_way}way-{n_shot}shot-{n_aug}aug-{n_query}query"
        data = bank_for(self.spec, split).fingerprint[:8]
        name = f"{split}-{shape}-{n_episodes}-{data}-{self.weights_hash[:8]}"
        name += "-calibrated" if calibrated else ""
        return self.folder / "evaluations" / f"{name}.npy"


def run(spec: Spec) -> Run:
    """The run of this spec: found if it is complete, else trained, resumed where it stopped."""
    folder = run_folder(spec, anew=True)
    folder.mkdir(parents=True, exist_ok=True)
    with hold_lock(folder / _LOCK, run_title(spec)):
        if not (folder / RESULT).exists():
            _make(spec, folder)
    return Run(spec, folder)


def run_folder(spec: Spec, anew: bool = False) -> Path:
    """Where the run of this spec lies or will lie, named by the spec and its data.

    The name is made of the spec and of names and sizes of the data's files, as it always was; the
    folder keeps a digest of their content. Where that is of other content, of images edited in
    place, the run goes by another name, which the content is part of. So no run is used for images
    it was not trained on, whichever came first, and the name of a run stays.

    Args:
        anew: look at the data again, even if this process has done so before.
    """
    data = None if anew else _looked_at.get(_data_params(spec))
    names, content = data or _look_at_data(spec)
    folder = runs_folder() / spec.identity(names)
    if _content_of(folder, content) == content:
        return folder
    return runs_folder() / spec.identity(f"{names}-{content}")


_looked_at: dict[str, tuple[str, str]] = {}


def _look_at_data(spec: DataParams) -> tuple[str, str]:
    """What the data of a spec is now; images in memory are let go where it has changed."""
    key, data = _data_params(spec), data_identity(spec)
    if _looked_at.get(key, data) != data:
        _bank_of.cache_clear()
    _looked_at[key] = data
    return data


def _content_of(folder: Path, present: str) -> str:
    """Digest of the data that the run in this folder is made from.

    A run of an earlier version, which kept none, is taken to be made from the present data; if
    there is no run, one would be.
    """
    try:
        return (folder / DATA).read_text("utf-8").strip()
    except FileNotFoundError:
        if (folder / SPEC).is_file():
            with contextlib.suppress(OSError):  # of a folder that cannot be written to
                write_text(folder / DATA, f"{present}\n")
        return present


def run_names(specs: Iterable[Spec]) -> list[str]:
    """The name of each spec's run; the data is looked at once, however many specs share it."""
    specs = list(specs)
    for spec in {_data_params(spec): spec for spec in specs}.values():
        _look_at_data(spec)
    return [run_folder(spec).name for spec in specs]


def finished_run(spec: Spec) -> Run | None:
    """The run of this spec if it is complete; nothing is trained."""
    folder = run_folder(spec)
    return Run(spec, folder) if (folder / RESULT).exists() else None


def _make(spec: Spec, folder: Path) -> None:
    """Train into the folder; ``result.json``, written last, says that it is complete."""
    bank = bank_for(spec, "train")
    content = "-".join(bank_for(spec, split).fingerprint[:12] for split in ("train", "val"))
    write_text(folder / DATA, f"{content}\n")
    write_text(folder / SPEC, yaml.safe_dump(spec.model_dump(), sort_keys=False))
    before = spec.start(len(bank.class_names), len(bank.labels))
    start = load_state(run(before).folder / WEIGHTS) if before else None
    history = train(spec, bank, bank_for(spec, "val"), folder, start)
    best = max(history, key=lambda row: row["val_accuracy"])
    result = {
        "best_epoch": best["epoch"],
        "val_accuracy": best["val_accuracy"],
        "val_ci95": best["val_ci95"],
        "seconds": sum(row["seconds"] for row in history),
        "parameters": count_parameters(make_learner(spec)),
        "device": str(default_device()),
        "threads": threads(),
        "torch": torch.__version__,
        "commit": git_commit(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_text(folder / RESULT, json.dumps(result, indent=2) + "\n")
    for path in (folder / STATE, folder / PREVIOUS, *folder.glob(".*.tmp")):
        path.unlink(missing_ok=True)
