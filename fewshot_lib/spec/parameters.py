"""What a run is: typed, validated, hashable by content.

The names here are the names in YAML, notebooks, tables and axis labels. Each parameter's default
and meaning are said here and nowhere else.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from fewshot_lib.spec.checks import Params

Whole = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Several = Annotated[int, Field(ge=2)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Fraction = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
_Classes = list[str] | Share  # names or a part of all
_Pixels = Annotated[int, Field(ge=16, le=256)]
_Source = Literal["glyphs", "mini_imagenet", "omniglot", "cifar_fs", "folder"]
Distance = Literal["euclidean", "cosine", "parametric"]
_Method = Literal["prototypical", "hallucination", "adversarial", "classification"]

_SOURCES_USING = {
    "download": {"omniglot", "cifar_fs"},
    "rotations": {"omniglot"},
    "val_classes": {"folder"},
    "test_classes": {"folder"},
}


class DataParams(Params):
    """Which images."""

    source: _Source = Field(
        "glyphs", description="glyphs (drawn letters), mini_imagenet, omniglot, cifar_fs or folder"
    )
    data_dir: str | None = Field(None, description="folder of the images, if not glyphs")
    download: bool = Field(False, description="omniglot and cifar_fs: fetch what data_dir lacks")
    image_size: _Pixels = Field(32, description="width and height in pixels")
    images_per_class: Several | None = Field(None, description="images of each class; None: all")
    rotations: bool = Field(True, description="omniglot: characters turned by 90° are new classes")
    val_classes: _Classes = Field(0.2, description="folder: validation classes, or share of all")
    test_classes: _Classes = Field(0.2, description="folder: test classes likewise; 0 or []: none")

    def _contradictions(self) -> Iterator[str]:
        yield from super()._contradictions()
        if self.source != "glyphs" and self.data_dir is None:
            yield f"source '{self.source}' needs its folder: set data_dir"
        changed = self.model_dump(exclude_defaults=True)
        for name, sources in _SOURCES_USING.items():
            if name in changed and self.source not in sources:
                yield f"source '{self.source}' does not use {name}: leave it out"


class _EpisodeParams(DataParams):
    """What is about a run's episodes and says nothing to a classifier of all classes."""

    n_way: Several = Field(5, description="classes of a training episode")
    n_shot: Count = Field(1, description="support images per class")
    n_query: Count | None = Field(None, description="query images per class; None: n_shot")
    # Batch norm and the discriminator see batches; two let λ start at 0.005 like the original.
    batches: Literal["joint", "apart"] = Field(
        "joint", description="supports and queries in training: joint, or apart like the original"
    )
    distance: Distance = Field("euclidean", description="euclidean (squared), cosine or parametric")
    distance_scale: Positive | None = Field(
        None, description="initial value of a learnable factor on the logits; None: no factor"
    )
    distance_normalise: bool = Field(False, description="divide by the number of features")
    n_shot_test: Count | None = Field(None, description="n_shot in the test; None: n_shot")
    flip_test: bool = Field(False, description="features are means over an image and its mirror")


class TrainingParams(_EpisodeParams):
    """How a network is trained, and the episodes it is judged on."""

    epochs: Count = Field(1, description="a validation follows each")
    episodes: Count = Field(100, description="training episodes of an epoch")
    init: Literal["normal", "kaiming"] = Field(
        "normal", description="convolutions at first: normal, N(0, 1) like the original, or kaiming"
    )
    optimizer: Literal["sgd", "adam"] = Field("sgd", description="sgd or adam")
    lr: Positive = Field(1e-3, description="learning rate at first")
    momentum: _Fraction = Field(0.9, description="of sgd")
    weight_decay: NonNegative = Field(0.012, description="of all weights")
    lr_schedule: Literal["step", "cosine"] = Field(
        "step", description="how the learning rate falls: step, or cosine down to nothing"
    )
    lr_step: Count = Field(20, description="epochs between two steps of the learning rate")
    lr_gamma: Annotated[_Fraction, Field(gt=0)] = Field(0.5, description="factor of each such step")
    lr_warmup: Whole = Field(0, description="epochs in which the learning rate rises to lr")
    episodes_per_step: Count = Field(1, description="episodes whose gradients are averaged")
    ema: Share = Field(0.0, description="decay of a running average of the weights; 0: no average")
    pretrain_epochs: Whole = Field(0, description="epochs as a classifier before the episodes")
    pretrain_lr: Positive | None = Field(None, description="that classifier's lr; None: lr")
    pretrain_head: Literal["linear", "cosine"] = Field(
        "linear", description="what that classifier scores classes by: linear or cosine"
    )
    augment: list[Literal["flip", "crop", "jitter", "rotate"]] = Field(
        [], description="random changes of training images: any of flip, crop, jitter, rotate"
    )
    seed: Whole = Field(0, description="of all random numbers: same seed, same results")

    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="of the extractor in training: float32, bfloat16, or auto: the faster"
    )
    channels_last: bool | None = Field(None, description="layout of images; None: the faster one")

    n_way_test: Several = Field(5, description="classes of a validation or test episode")
    n_query_test: Count = Field(15, description="query images per class there")
    episodes_val: Count = Field(200, description="validation episodes that choose the best epoch")

    def _contradictions(self) -> Iterator[str]:
        yield from super()._contradictions()
        if self.lr_warmup > self.epochs:
            words = f"lr_warmup={self.lr_warmup} is longer than the training, epochs={self.epochs}"
            yield f"{words}: lower it"


class HallucinationParams(TrainingParams):
    """What hallucination alone needs."""

    mix_queries: bool = Field(False, description="queries too are mixed with hallucinated features")
    residual: bool = Field(False, description="hallucinated features start as copies of the real")
    hallucinator_lr: Positive | None = Field(None, description="the hallucinator's lr; None: lr")


class AdversarialParams(TrainingParams):
    """What the adversarial methods alone need."""

    gan_lr: Positive = Field(1e-4, description="generator's and discriminator's lr, by Adam")
    fake_weight: Positive | None = Field(
        None, description="of hallucinated episodes' loss; None: 0.5 / the generator's loss"
    )


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
    "extractor_epochs": {"adversarial"},
}  # parameter of a Spec to the methods that use it; all use what is not named here
_USED_BY_VARIANT = {"fake_weight": "original", "extractor_epochs": "afhn"}
_FAKES_OF_AFHN = 50  # per class in the test, where they train a classifier

_COSINE_HEAD_SCALE = 10.0  # initial value; it is learned

# Fields of earlier versions: a run that has the default is still one.
_GONE = {"gan_weight": 0.1, "compile": None}


class Spec(HallucinationParams, AdversarialParams):
    """One training run: all that decides its weights, and nothing else."""

    method: _Method = Field(
        "prototypical", description="prototypical, hallucination, adversarial or classification"
    )
    n_classes: Whole = Field(0, description="classification: of the training split, all of them")
    n_aug: Whole = Field(0, description="M, hallucinated features per support in training")
    n_aug_test: Whole | None = Field(None, description="M in the test; None: as in training")
    variant: Literal["original", "afhn"] = Field(
        "original", description="adversarial: the original report's, or afhn as it was published"
    )
    extractor_epochs: Count | None = Field(
        None, description="afhn: epochs of Problem 1's run, whose extractor is frozen; None: epochs"
    )

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Spell out what is implied, so that equal runs have equal specs."""
        n_shot = values.get("n_shot", 1)
        filled = {"n_query": n_shot, "n_shot_test": n_shot, "n_aug_test": values.get("n_aug", 0)}
        if values.get("variant") == "afhn":
            epochs = values.get("epochs", 1)
            filled |= {"n_aug_test": _FAKES_OF_AFHN, "extractor_epochs": epochs}
        return values | {k: v for k, v in filled.items() if values.get(k) is None}

    def _contradictions(self) -> Iterator[str]:
        yield from super()._contradictions()
        changed = self.model_dump(exclude_defaults=True)
        for name, methods in USED_BY.items():
            # n_aug_test is 0 where there is none.
            if self.method not in methods and changed.get(name):
                yield f"method '{self.method}' does not use {name}: leave it out"
        for name, variant in _USED_BY_VARIANT.items():
            if self.method == "adversarial" and self.variant != variant and name in changed:
                yield f"variant '{self.variant}' does not use {name}: leave it out"
        if self.method == "classification" and self.n_classes < 2:
            yield "method 'classification' needs n_classes, 2 or more"

    @classmethod
    def from_stored(cls, values: dict[str, Any]) -> Self:
        """The spec of a run that may be older than this version; errors are those of ``check``."""
        return cls.check({k: v for k, v in {**values}.items() if (k, v) not in _GONE.items()})

    def start(self, n_classes: int, n_images: int) -> Self | None:
        """The run whose weights this one starts from: a classifier, for AFHN Problem 1; or none.

        Args:
            n_classes, n_images: that there are to learn from.
        """
        if self.variant == "afhn":
            recipe = self.model_dump(include=set(TrainingParams.model_fields))
            return self.check(recipe | {"epochs": self.extractor_epochs})
        return self.pretraining(n_classes, n_images) if self.pretrain_epochs else None

    def pretraining(self, n_classes: int, n_images: int) -> Self:
        """The classifier that this run starts from.

        One for all runs of a recipe, whatever their method, episodes and distance: its batches
        are 20-way with 6 images a class, an epoch has as many images as there are.
        """
        of_episodes = set(_EpisodeParams.model_fields) - set(DataParams.model_fields)
        recipe = self.model_dump(include=set(TrainingParams.model_fields) - of_episodes)
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
            changes |= {"distance": "cosine", "distance_scale": _COSINE_HEAD_SCALE}
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
