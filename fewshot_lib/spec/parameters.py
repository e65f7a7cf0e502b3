"""What a run is: typed, validated, hashable by content.

The names here are the names in YAML, notebooks, tables and axis labels.
"""

import hashlib
import json
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from fewshot_lib.spec.checks import Params

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(ge=0, lt=1)]


SOURCES_USING = {
    "download": {"omniglot", "cifar_fs"},
    "rotations": {"omniglot"},
    "val_classes": {"folder"},
    "test_classes": {"folder"},
}


class DataParams(Params):
    """Which images."""

    source: Literal["glyphs", "mini_imagenet", "omniglot", "cifar_fs", "folder"] = "glyphs"
    data_dir: str | None = None
    download: bool = False  # into data_dir, what is not there yet
    image_size: Annotated[int, Field(ge=16, le=256)] = 32
    images_per_class: Annotated[int, Field(ge=2)] | None = None  # None: all there are
    rotations: bool = True  # omniglot only: a character turned by 90, 180, 270 degrees is another
    val_classes: list[str] | Share = 0.2  # folder only: names, or a share of all classes
    test_classes: list[str] | Share = 0.2  # as val_classes; 0 or [] for none

    @model_validator(mode="after")
    def _suits_its_source(self) -> Self:
        if self.source != "glyphs" and self.data_dir is None:
            raise ValueError(f"source '{self.source}' needs its folder: set data_dir")
        for name, sources in SOURCES_USING.items():
            default = type(self).model_fields[name].default
            if self.source not in sources and getattr(self, name) != default:
                raise ValueError(f"source '{self.source}' does not use {name}: leave it out")
        return self


class TrainingParams(DataParams):
    """How a network is trained, and the episodes it is judged on."""

    n_way: Annotated[int, Field(ge=2)] = 5
    n_shot: Count = 1
    n_query: Count | None = None  # per class; None: as many as shots, as in the original
    distance: Literal["euclidean", "cosine", "parametric"] = "euclidean"
    distance_scale: Positive | None = None  # initial value of a learnable factor; None: no factor
    distance_normalise: bool = False  # divide by the feature size
    init: Literal["normal", "kaiming"] = "normal"
    # How supports and queries pass in training: as one batch or, as in the original, as two. Batch
    # norm and the discriminator see batches; and two let λ start at the original's 0.005, not at 0.
    batches: Literal["joint", "apart"] = "joint"

    epochs: Count = 1
    episodes: Count = 100  # per epoch
    optimizer: Literal["sgd", "adam"] = "sgd"
    lr: Positive = 1e-3
    momentum: Fraction = 0.9  # sgd only
    weight_decay: NonNegative = 0.012
    lr_schedule: Literal["step", "cosine"] = "step"
    lr_step: Count = 20  # epochs between two decays
    lr_gamma: Annotated[float, Field(gt=0, le=1)] = 0.5
    lr_warmup: Annotated[int, Field(ge=0)] = 0  # epochs in which the rate rises to lr
    episodes_per_step: Count = 1  # their gradients are averaged
    ema: Share = 0.0  # decay of the average over steps whose weights are kept; 0: the last ones
    pretrain_epochs: Annotated[int, Field(ge=0)] = 0  # as a classifier of the training classes
    pretrain_lr: Positive | None = None  # None: as lr
    pretrain_head: Literal["linear", "cosine"] = "linear"  # what that classifier scores by
    augment: list[Literal["flip", "crop", "jitter", "rotate"]] = []
    seed: Annotated[int, Field(ge=0)] = 0

    precision: Literal["auto", "float32", "bfloat16"] = "auto"  # of the encoder in training
    channels_last: bool | None = None  # memory layout of images; None: where it is faster
    compile: bool | None = None  # by torch.compile; None: where it pays

    n_way_test: Annotated[int, Field(ge=2)] = 5
    n_shot_test: Count | None = None  # None: as in training
    n_query_test: Count = 15
    episodes_val: Count = 200  # to choose the epoch by
    flip_test: bool = False  # features are means over an image and its mirror image

    @model_validator(mode="after")
    def _reaches_its_learning_rate(self) -> Self:
        if self.lr_warmup > self.epochs:
            words = f"lr_warmup={self.lr_warmup} is longer than the training, epochs={self.epochs}"
            raise ValueError(f"{words}: lower it")
        return self


USED_BY = {
    "batches": {"prototypical", "hallucination", "adversarial"},
    "mix_queries": {"hallucination"},
    "n_aug": {"hallucination"},
    "n_aug_test": {"hallucination", "adversarial"},
    "n_classes": {"classification"},
    "residual": {"hallucination"},
    "hallucinator_lr": {"hallucination"},
    "variant": {"adversarial"},
    "gan_lr": {"adversarial"},
    "fake_weight": {"adversarial"},
}


COSINE_HEAD_SCALE = 10.0  # initial value; it is learned

# What is about a run's episodes and says nothing to a classifier of all classes.
OF_EPISODES = {"n_way", "n_shot", "n_query", "n_shot_test", "batches", "flip_test"} | {
    "distance",
    "distance_scale",
    "distance_normalise",
}

_GONE = {"gan_weight": 0.1}  # fields of earlier versions: a run that has the default is still one


class Spec(TrainingParams):
    """One training run: all that decides its weights, and nothing else."""

    method: Literal["prototypical", "hallucination", "adversarial", "classification"] = (
        "prototypical"
    )
    n_classes: Annotated[int, Field(ge=0)] = 0  # classification only: all training classes
    n_aug: Annotated[int, Field(ge=0)] = 0  # hallucinated features per support in training
    n_aug_test: Annotated[int, Field(ge=0)] | None = None  # None: as in training
    mix_queries: bool = False  # hallucination only: queries too, as in the original
    residual: bool = False  # hallucination only: fakes start as copies of the real feature
    hallucinator_lr: Positive | None = None  # hallucination only: at first; None: as lr
    variant: Literal["original", "afhn"] = "original"  # adversarial only
    gan_lr: Positive = 1e-4  # adversarial only: Adam of generator and discriminator
    fake_weight: Positive | None = None  # adversarial only; None: 0.5 / the generator's loss

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Spell out what is implied, so that equal runs have equal specs."""
        n_shot = values.get("n_shot", 1)
        filled = {"n_query": n_shot, "n_shot_test": n_shot, "n_aug_test": values.get("n_aug", 0)}
        return values | {k: v for k, v in filled.items() if values.get(k) is None}

    @model_validator(mode="after")
    def _takes_what_its_method_uses(self) -> Self:
        for name, methods in USED_BY.items():
            default = 0 if name == "n_aug_test" else type(self).model_fields[name].default
            if self.method not in methods and getattr(self, name) != default:
                raise ValueError(f"method '{self.method}' does not use {name}: leave it out")
        if self.method == "classification" and self.n_classes < 2:
            raise ValueError("method 'classification' needs n_classes, 2 or more")
        return self

    @classmethod
    def stored(cls, values: dict[str, Any]) -> Self:
        """The spec of a run that may be older than this version; errors are those of ``check``."""
        known = {k: v for k, v in {**values}.items() if (k, v) not in _GONE.items()}
        return cls.check(known)

    def pretraining(self, n_classes: int, n_images: int) -> Self:
        """The classifier that this run starts from.

        One for all runs of a recipe, whatever their method, episodes and distance: its batches
        are 20-way with 6 images a class, an epoch has as many images as there are.
        """
        recipe = self.model_dump(include=set(TrainingParams.model_fields) - OF_EPISODES)
        n_way, n_query = min(20, n_classes), 5
        changes = {
            "method": "classification",
            "n_classes": n_classes,
            "n_way": n_way,
            "n_query": n_query,
            "episodes": max(1, n_images // (n_way * (1 + n_query))),
            "epochs": self.pretrain_epochs,
            "pretrain_epochs": 0,
            "lr": self.pretrain_lr or self.lr,
            "pretrain_lr": None,
            "pretrain_head": "linear",
            "lr_warmup": min(self.lr_warmup, self.pretrain_epochs),
        }
        if self.pretrain_head == "cosine":
            changes |= {"distance": "cosine", "distance_scale": COSINE_HEAD_SCALE}
        return self.check(recipe | changes)

    def identity(self, data_fingerprint: str) -> str:
        """Twelve hex digits that name the run: same digits, same experiment.

        The folder the images lie in does not count, their content does. Nor do values that are
        the default: a parameter added later leaves the names of earlier runs as they were.
        """
        content = self.model_dump(exclude={"data_dir", "download"}, exclude_defaults=True)
        content["data"] = data_fingerprint
        text = json.dumps(content, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]
