"""What can be picked in ``explore.ipynb``: images and networks."""

import json
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import Field
from safetensors import SafetensorError, safe_open

from fewshot_lib.data.bank import ImageBank, load_bank
from fewshot_lib.errors import InputError
from fewshot_lib.experiments.folders import HEADLINE, shipped_files
from fewshot_lib.experiments.runs import RESULT
from fewshot_lib.files import from_root, project_root, runs_folder
from fewshot_lib.learning.checkpoints import WEIGHTS
from fewshot_lib.learning.weights import ABOUT
from fewshot_lib.networks.calibration import CALIBRATED
from fewshot_lib.spec.parameters import Count, DataParams, Spec
from fewshot_lib.spec.words import run_title


class Settings(DataParams):
    """What the notebook starts with; its controls change all but the last."""

    n_way: Annotated[int, Field(ge=2)] = 5
    n_shot: Count = 1
    n_query: Count = 4  # per class
    n_aug: Annotated[int, Field(ge=0)] = 2  # M, hallucinated features per support
    seed: Annotated[int, Field(ge=0)] = 0  # of the first episode
    images_per_class: Annotated[int, Field(ge=2)] | None = 60

    def data(self, source: str, data_dir: str) -> DataParams:
        """The images of this source, in the size and number of these settings."""
        values = {name: getattr(self, name) for name in DataParams.model_fields}
        if source != self.source and source in ("folder", "omniglot"):
            values["images_per_class"] = None  # their classes may be small
        data_dir = data_dir.strip().strip("'\"")
        return DataParams.check(values | {"source": source, "data_dir": data_dir or None})


class Network(NamedTuple):
    """A trained network that can be picked."""

    name: str
    spec: Spec
    weights: Path

    def fits(self, source: str) -> bool:
        """Whether it is one of Problem 2 that learned from images of this source."""
        return self.spec.method == "hallucination" and self.spec.source == source


def finished_networks() -> list[Network]:
    """Networks of finished reports and recorded ones by their problem, then of other runs.

    Those of other versions and damaged ones are left out.

    Raises:
        InputError: there is none.
    """
    titles = _titles()
    results = sorted(runs_folder().glob(f"*/{RESULT}"), key=lambda path: -path.stat().st_mtime)
    files = {path.parent.name: path.with_name(WEIGHTS) for path in results}
    for report in (project_root() / "reports" / "reference").glob("*"):
        files = {file.stem: file for file in shipped_files(report)} | files
    found = []
    for run, file in sorted(files.items(), key=lambda item: titles.get(item[0], "~")):
        try:
            with safe_open(file, framework="pt") as opened:
                about = json.loads((opened.metadata() or {})[ABOUT])
            spec = Spec.from_stored(about["spec"])
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            continue
        title = titles.get(run) or f"{run_title(spec)} ({run})"
        found.append(Network(f"{title}, {spec.source} {spec.image_size} px", spec, file))
    if not found:
        raise InputError("there is no trained network yet: make a report first")
    return found


def _titles() -> dict[str, str]:
    """What the main runs of reports are called: ``tuned: Problem 2, seed 1``, by folder name."""
    found = {}
    for pattern in ("reference/*", "*"):
        for path in sorted((project_root() / "reports").glob(f"{pattern}/{HEADLINE}")):
            kept = json.loads(path.read_text("utf-8"))
            for entry in kept.get("val", []):
                if not entry["method"].endswith(CALIBRATED):  # has the same weights
                    for i, run in enumerate(entry["runs"]):
                        seed = f", seed {i + 1} of {len(entry['runs'])}" * (len(entry["runs"]) > 1)
                        found[run] = f"{path.parent.name}: {entry['method']}{seed}"
    return found


def images_for(spec: Spec, data: DataParams) -> ImageBank:
    """Images of classes that the network was not trained on, in the size it takes.

    These are the validation classes, and all classes of a folder of class folders if the network
    learned from something else.

    Raises:
        InputError: the images cannot be read.
    """
    data = data.model_copy(update={"image_size": spec.image_size})
    if data.source == "folder" and not _learned_from(spec, data):
        try:
            whole = data.model_copy(update={"val_classes": 0.0, "test_classes": 0.0})
            return load_bank(whole, "train")
        except InputError:
            pass  # it is split by tables or folders, or says below what is wrong with it
    return load_bank(data, "val")


def _learned_from(spec: Spec, data: DataParams) -> bool:
    same = spec.source == data.source and spec.data_dir is not None
    return same and from_root(spec.data_dir).resolve() == from_root(data.data_dir).resolve()
