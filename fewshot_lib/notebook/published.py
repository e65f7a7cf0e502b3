"""Numbers to compare with: accuracies in %, from the original report and from papers.

``ORIGINAL`` was measured on the 16 validation classes of mini-ImageNet at 84 pixels, 5-way, on the
course's 600 test cases.
``_PUBLISHED`` was measured on the 20 test classes, Conv-4 with 64 channels, 5-way 1-shot: the best
values known of a plain Prototypical Network (the first one had 49.42, Snell et al. 2017) and of
adversarial training (MetaGAN).
"""

from fewshot_lib.spec.parameters import Spec

ORIGINAL = {
    "main": 47.64,
    "euclidean": 37.43,
    "cosine": 39.15,
    "parametric": 39.74,
    "1-shot": 37.43,
    "5-shot": 58.55,
    "10-shot": 62.96,
    "1-shot early": 24.25,
    "5-shot early": 45.17,
    "10-shot early": 50.37,
    "hallucination": 49.48,
    "M = 10": 36.53,
    "M = 50": 38.92,
    "M = 100": 39.72,
    "adversarial": 50.22,
}

HEADLINE = {"Problem 1": "main", "Problem 2": "hallucination", "Problem 3": "adversarial"}

_PUBLISHED = {
    "Problem 1": "53.47 ± 0.63 (Lee et al. 2019)",
    "Problem 3": "52.71 (Zhang et al. 2018)",
}

TEST_CASES = "test cases"  # the course's, of validation classes


def data_in_words(spec: Spec) -> str:
    """``mini_imagenet, 84 px``."""
    return f"{spec.source}, {spec.image_size} px"


def protocol(spec: Spec) -> str:
    """What a test episode is, and how features are judged: ``5-way 1-shot``."""
    mirrored = ", features averaged over an image and its mirror image" if spec.flip_test else ""
    return f"{spec.n_way_test}-way {spec.n_shot_test}-shot{mirrored}"


def others_values(data: str, test: str, classes: str) -> tuple[dict[str, str], dict[str, str]]:
    """The original's and published accuracies in % by method, where they compare with ours.

    They do where data, image size and protocol are the same. Calibrated methods have none.

    Args:
        data: of ``data_in_words``.
        test: of ``protocol``.
        classes: ``val`` or ``test``, or ``TEST_CASES``.
    """
    if data != "mini_imagenet, 84 px" or not test.startswith("5-way 1-shot"):
        return {}, {}
    original = {name: f"{ORIGINAL[key]:.2f}" for name, key in HEADLINE.items()}
    return original if classes == TEST_CASES else {}, _PUBLISHED if classes == "test" else {}


def others_in_words(spec: Spec, classes: str) -> str:
    """What the columns of others' values are; nothing where there are none."""
    if not any(others_values(data_in_words(spec), protocol(spec), classes)):
        return ""
    if classes == TEST_CASES:
        return "*Original*: the homework report, on the same test cases."
    return (
        "*Published*: the best *plain* Conv-4 Prototypical Network known (Lee et al., 2019) and "
        "MetaGAN (Zhang et al., 2018), on the same test classes."
    )


def compared_values(spec: Spec) -> dict[str, float]:
    """``ORIGINAL`` for settings compared with one another, where its values compare with ours.

    Args:
        spec: of one of these settings.
    """
    alike = data_in_words(spec) == "mini_imagenet, 84 px"
    return ORIGINAL if alike and spec.n_way == spec.n_way_test == 5 else {}
