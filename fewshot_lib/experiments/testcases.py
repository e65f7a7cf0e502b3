"""The course's test cases, solved: by a weights file and a folder of images, or by a run."""

from collections.abc import Sequence
from pathlib import Path
from unicodedata import normalize

import torch

from fewshot_lib.data.sources._tables import find_images, read_images
from fewshot_lib.data.tables import repeated
from fewshot_lib.data.testcases import TestCases, read_testcases, write_predictions
from fewshot_lib.errors import InputError
from fewshot_lib.experiments.ledger import note_accuracy
from fewshot_lib.experiments.runs import Run, bank_for
from fewshot_lib.files import from_root, output_file
from fewshot_lib.learning.device import default_device
from fewshot_lib.learning.evaluation import Judge, encode
from fewshot_lib.learning.intervals import Interval
from fewshot_lib.learning.prototypical import Features, PrototypicalLearner
from fewshot_lib.learning.weights import load_trained

TESTCASES = "val_testcase.csv"  # beside val.csv


def predict_testcases(
    weights: Path,
    images_csv: Path,
    images_dir: Path,
    testcases: Path,
    output: Path,
    calibrated: bool = False,
) -> str:
    """Predict the queries of every episode and write them to ``output``.

    Only the images that the test cases use are decoded, and encoded, each once. The noise of
    methods that hallucinate is fixed, so the same files give the same predictions.

    Args:
        images_csv: has the columns ``id`` and ``filename``; no label is needed.
        calibrated: whether prototypes lean on the training classes, see ``calibration``.

    Returns:
        One line that says what was done.

    Raises:
        InputError: a file is missing or wrong, or ``output`` cannot be written; found out before
            anything is encoded, and an earlier ``output`` stays as it was.
    """
    if output_file(output) in [path.resolve() for path in (weights, images_csv, testcases)]:
        raise InputError(f"output {output} is also an input: name another file")
    cases = read_testcases(testcases)
    ids, paths = _image_files(cases, images_csv, images_dir)
    trained = load_trained(weights)
    means = trained.class_means if calibrated else None
    features = encode(trained.learner, trained.bank(paths), default_device())
    support, query = _to_indices(cases, ids)
    positions = _solve(trained.learner, features, support, query, means)
    write_predictions(output, cases, positions.tolist())
    n_episodes, n_way, n_shot = support.shape
    episodes = "1 episode" if n_episodes == 1 else f"{n_episodes} episodes"
    return f"{episodes} ({n_way}-way {n_shot}-shot), {len(ids)} images: {output}"


def evaluate_testcases(run: Run, calibrated: bool = False) -> Interval | None:
    """Accuracy of the run on ``val_testcase.csv`` of its ``data_dir``.

    The same number as that of predictions for this file: the validation images come from the
    run's own features, the truth from their labels.

    Args:
        calibrated: as of ``predict_testcases``.

    Returns:
        None if there is no such file, or if the run knows only some of its images, as with
        ``images_per_class``.

    Raises:
        InputError: the file is there but damaged.
    """
    if run.spec.data_dir is None:
        return None
    path = from_root(run.spec.data_dir) / TESTCASES
    if not path.is_file():
        return None
    cases, bank = read_testcases(path), bank_for(run.spec, "val")
    if _first_unknown(cases, bank.ids) is not None:
        return None
    support, query = _to_indices(cases, bank.ids)
    means = run.class_means if calibrated else None
    positions = _solve(run.learner, run.features("val"), support, query, means)
    chosen = bank.labels[support[..., 0]].gather(1, positions)
    accuracy = Interval.of((chosen == bank.labels[query]).double().mean(1))
    name, weights = run.folder.name, run.weights_hash
    note_accuracy(name, weights, accuracy, testcases=TESTCASES, calibrated=calibrated)
    return accuracy


def _solve(
    learner: PrototypicalLearner,
    features: Features,
    support: torch.Tensor,
    query: torch.Tensor,
    class_means: torch.Tensor | None,
) -> torch.Tensor:
    """As ``Judge.predict``, with the noise that belongs to test cases."""
    noise = "course noise", *support.shape[1:]
    judge = Judge(learner, features, learner.spec.n_aug_test, noise, class_means)
    return judge.predict(support, query)


def _image_files(
    cases: TestCases, images_csv: Path, images_dir: Path
) -> tuple[list[str], list[Path]]:
    """Ids and files of the images that the test cases use, in the table's order.

    Raises:
        InputError: an id or its file is missing, or an id stands twice.
    """
    entries = read_images(images_csv, ("id", "filename"))
    known = [entry.id for entry in entries]
    if (twice := repeated(known)) is not None:
        raise InputError(f"{images_csv} has id '{twice}' twice: keep one of the lines")
    if (first := _first_unknown(cases, known)) is not None:
        episode, image = first
        raise InputError(
            f"episode '{episode}' uses the image id '{image}', which {images_csv} does not have"
            + _similar(image, known)
        )
    if not images_dir.is_dir():
        raise InputError(f"there is no folder {images_dir}")
    used = {normalize("NFC", image) for _, image in cases.image_ids()}
    entries = [entry for entry in entries if entry.id in used]
    files = find_images(entries, [images_dir, images_csv.parent], images_csv)
    return [entry.id for entry in entries], [Path(file) for file in files]


def _first_unknown(cases: TestCases, known: Sequence[str]) -> tuple[str, str] | None:
    """The first (episode_id, image id) whose id is not among the known ones."""
    ids = set(known)
    return next((p for p in cases.image_ids() if normalize("NFC", p[1]) not in ids), None)


def _similar(image: str, known: Sequence[str]) -> str:
    """`` (it has '007', …)`` if a known id differs by leading zeros or spaces alone."""
    bare = image.strip().lstrip("0")
    other = next((k for k in known if k.strip().lstrip("0") == bare), None)
    return "" if other is None else f" (it has '{other}'; ids must be equal letter by letter)"


def _to_indices(cases: TestCases, ids: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Supports and queries as positions in ``ids``, int64 of the same shapes."""
    number = {image: i for i, image in enumerate(ids)}
    return tuple(
        torch.tensor([number[normalize("NFC", image)] for image in part.flat]).view(part.shape)
        for part in (cases.support, cases.query)
    )
