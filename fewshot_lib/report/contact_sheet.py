"""The page of classified images: what each class was shown, and what was taken for it."""

import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image, ImageOps

from fewshot_lib.data.folders import readable
from fewshot_lib.data.images import to_rgb
from fewshot_lib.experiments.classify import Classes, Prediction, accuracy_line, tally
from fewshot_lib.experiments.provenance import provenance
from fewshot_lib.learning.weights import Trained
from fewshot_lib.notebook.interactive import data_uri
from fewshot_lib.report.pages import render_page

_THUMBNAIL = 96  # pixels
_SUPPORTS_SHOWN, _QUERIES_SHOWN, _PAGE_HOLDS = 20, 60, 1500  # _thumbnails: per class, per page


def as_page(
    trained: Trained, weights: Path, classes: Classes, predictions: Sequence[Prediction]
) -> str:
    """The contact sheet: supports, then queries by predicted class, the least certain first."""
    spec, numbers = trained.spec, tally(classes, predictions)
    return render_page(
        "classified.html.j2",
        rows=list(numbers.itertuples()),
        n_images=len(predictions),
        accuracy=accuracy_line(numbers),
        groups=[_group(name, classes, predictions) for name in classes],
        provenance={
            "network": f"{spec.method}, {spec.image_size} px, trained on {spec.source}",
            "weights": readable(str(weights)),
            "made": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        }
        | provenance(),
    )


def _group(name: str, classes: Classes, predictions: Sequence[Prediction]) -> dict:
    """What the page shows of one class, with the number of images it leaves out."""
    mine = sorted((p for p in predictions if p.label == name), key=lambda p: p.probability)
    supports = classes[name][:_SUPPORTS_SHOWN]
    queries = mine[: max(6, min(_QUERIES_SHOWN, _PAGE_HOLDS // len(classes)))]
    return {
        "name": name,
        "supports": list(
            zip([readable(path.name) for path in supports], _thumbnails(supports), strict=True)
        ),
        "supports_left_out": len(classes[name]) - len(supports),
        "queries": list(zip(queries, _thumbnails([p.picture.path for p in queries]), strict=True)),
        "queries_left_out": len(mine) - len(queries),
    }


def _thumbnails(paths: Sequence[Path]) -> list[str]:
    """Small versions of the original files as ``data:`` addresses."""
    known = {"action": "ignore", "category": Image.DecompressionBombWarning}  # decoded before
    with warnings.catch_warnings(**known), ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(_thumbnail, paths))


def _thumbnail(path: Path) -> str:
    """The middle square, which is what the network sees; nothing else of the file comes along."""
    with Image.open(path) as file:
        file.draft("RGB", (2 * _THUMBNAIL, 2 * _THUMBNAIL))
        image = to_rgb(ImageOps.exif_transpose(file))
    image = ImageOps.fit(image, (_THUMBNAIL, _THUMBNAIL), Image.Resampling.LANCZOS)
    image.info.clear()  # comments would be saved again
    return data_uri(image, quality=82)
