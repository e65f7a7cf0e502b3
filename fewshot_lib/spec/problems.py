"""The report's problems: the parameters of each notebook and the runs they stand for."""

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import Field

from fewshot_lib.spec.parameters import (
    USED_BY,
    AdversarialParams,
    Count,
    Distance,
    HallucinationParams,
    Positive,
    Several,
    Spec,
    TrainingParams,
    Whole,
)


class ReportParams(TrainingParams):
    """What every problem's notebook takes beside the training parameters."""

    episodes_test: Count = Field(600, description="episodes behind every reported accuracy")
    early_epoch: Count = Field(1, description="the epoch that tables call early")
    n_seeds: Count = Field(1, description="runs of every setting, with seeds from seed on")

    def spec(self, **changes) -> Spec:
        """The run of these parameters, with some of them changed.

        Without changes it is Problem 1's main run. What its method does not use is left out.
        """
        method = changes.get("method", "prototypical")
        values = {
            name: value
            for name, value in self.model_dump().items()
            if name in Spec.model_fields and method in USED_BY.get(name, {method})
        }
        return Spec.check(values | changes)

    def main_spec(self) -> Spec:
        return self.spec()

    def seed_specs(
        self, specs: Mapping[Any, Spec], n_seeds: int | None = None
    ) -> dict[tuple[Any, int], Spec]:
        """Each of these runs with every seed, under its name and the seed.

        Args:
            n_seeds: how many; the problem's own number by default.
        """
        return {
            (name, seed): Spec.check(spec.model_dump() | {"seed": seed})
            for name, spec in specs.items()
            for seed in range(self.seed, self.seed + (n_seeds or self.n_seeds))
        }


class _CompareParams(ReportParams):
    """Parts that compare settings train each of them alike, smaller than the main run."""

    n_way_compare: Several = Field(5, description="n_way of the compared runs")
    n_query_compare: Count | None = Field(None, description="n_query of the compared runs")
    episodes_compare: Count = Field(100, description="episodes of the compared runs")
    n_seeds_compare: Count | None = Field(None, description="n_seeds of these; None: n_seeds")

    @property
    def compare_seeds(self) -> int:
        """Runs of every compared setting."""
        return self.n_seeds_compare or self.n_seeds

    def compare_spec(self, **changes) -> Spec:
        equal = {
            "n_way": self.n_way_compare,
            "n_query": self.n_query_compare,
            "episodes": self.episodes_compare,
        }
        return self.spec(**(equal | changes))

    def shot_spec(self, n_shot: int) -> Spec:
        """Problem 1's network, trained and tested with this many shots."""
        return self.compare_spec(n_shot=n_shot, n_shot_test=n_shot)


class _MapParams(HallucinationParams, ReportParams):
    """Problem 2's network, and maps of what it hallucinates."""

    n_aug: Count = Field(200, description="M, hallucinated features per support in training")
    tsne_classes: Several = Field(5, description="classes on a feature map")
    tsne_images: Several = Field(20, description="images of each class on a feature map")
    tsne_fakes: Count = Field(3, description="hallucinated features of each image on it")


class Problem1(_CompareParams):
    """Prototypical Network: a main run, three distances, several numbers of shots."""

    distances: list[Distance] = Field([*get_args(Distance)], description="compared in 1.2")
    cosine_scale: Positive | None = Field(
        None, description="distance_scale of the cosine in 1.2; None: unscaled, as the original"
    )
    shots: list[Count] = Field([1, 5, 10], description="values of K that are compared in 1.3")

    def distance_specs(self) -> dict[str, Spec]:
        """Distance name to run, all else equal."""
        scales = dict.fromkeys(self.distances, self.distance_scale) | {"cosine": self.cosine_scale}
        return {d: self.compare_spec(distance=d, distance_scale=scales[d]) for d in self.distances}

    def shot_specs(self) -> dict[int, Spec]:
        return {k: self.shot_spec(k) for k in self.shots}

    def all_specs(self) -> list[Spec]:
        """The runs of this problem, of the first seed."""
        return [self.main_spec(), *self.distance_specs().values(), *self.shot_specs().values()]


class Problem2(_CompareParams, _MapParams):
    """Data hallucination: a main run beside Problem 1's, and several M."""

    n_aug_test: Count | None = Field(None, description="M in the test; None: as in training")
    n_augs: list[Whole] = Field([0, 1, 10, 50, 100, 200], description="values of M in 2.3")

    def main_spec(self) -> Spec:
        return self.spec(method="hallucination")

    def aug_specs(self) -> dict[int, Spec]:
        """M to run, trained and tested with as many; M = 0 is Problem 1's method."""
        return {m: self._aug_spec(m) for m in self.n_augs}

    def _aug_spec(self, n_aug: int, **changes) -> Spec:
        if not n_aug:
            return self.compare_spec()
        return self.compare_spec(method="hallucination", n_aug=n_aug, n_aug_test=n_aug, **changes)

    def query_specs(self) -> dict[str, Spec]:
        """Queries as they are, and mixed as supports are, at the largest of the compared M."""
        return {
            name: self._aug_spec(max(self.n_augs), mix_queries=mixed)
            for name, mixed in (("queries as they are", False), ("queries mixed", True))
        }

    def all_specs(self) -> list[Spec]:
        """The runs of this problem, of the first seed; K = 1 and 5 are compared with M."""
        shots = [self.shot_spec(k) for k in (1, 5)]
        return [self.main_spec(), self.spec(), *self.aug_specs().values(), *shots]


class Problem3(AdversarialParams, _MapParams):
    """Improved hallucination: both variants beside Problems 1 and 2."""

    epochs_before: Count | None = Field(None, description="epochs of Problem 1 and 2; None: epochs")
    afhn_epochs: Count | None = Field(None, description="of AFHN, on frozen features; None: epochs")

    def main_spec(self) -> Spec:
        return self.spec(method="adversarial")

    def afhn_spec(self) -> Spec:
        return self.spec(
            method="adversarial",
            variant="afhn",
            fake_weight=None,
            epochs=self.afhn_epochs or self.epochs,
            extractor_epochs=self.epochs_before or self.epochs,
        )

    def specs(self) -> dict[str, Spec]:
        """All methods in the main setting, by the name the report gives them."""
        before = {"epochs": self.epochs_before or self.epochs}
        return {
            "Problem 1": self.spec(**before),
            "Problem 2": self.spec(method="hallucination", **before),
            "Problem 3": self.main_spec(),
            "AFHN": self.afhn_spec(),
        }

    def all_specs(self) -> list[Spec]:
        return list(self.specs().values())


PROBLEMS = {"problem1": Problem1, "problem2": Problem2, "problem3": Problem3}
NOTEBOOKS = {
    "problem1": "1_prototypical_network",
    "problem2": "2_data_hallucination",
    "problem3": "3_improved_hallucination",
    "summary": "0_summary",  # runs last, becomes the report's front page
}


def headline_specs(params: dict[str, ReportParams]) -> dict[str, Spec]:
    """The main run of every finished problem, and Problem 3's other variant."""
    specs = {f"Problem {name[-1]}": p.main_spec() for name, p in params.items()}
    if "problem3" in params:
        specs["AFHN"] = params["problem3"].afhn_spec()
    return specs


def headline_seed_specs(params: dict[str, ReportParams]) -> dict[tuple[str, int], Spec]:
    """The same runs with every seed of their problem, by name and seed."""
    parts = [p.seed_specs(headline_specs({name: p})) for name, p in params.items()]
    return {key: spec for part in parts for key, spec in part.items()}
