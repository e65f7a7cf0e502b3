"""Numbers to compare with: accuracies in %, from the original report and from papers.

``ORIGINAL`` was measured on the 16 validation classes of mini-ImageNet, 5-way, 600 episodes.
``PUBLISHED`` was measured on the 20 test classes, Conv-4 with 64 channels, 5-way 1-shot: the best
values known of a plain Prototypical Network (the first one had 49.42, Snell et al. 2017) and of
adversarial training (MetaGAN).
"""

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

PUBLISHED = {
    "Problem 1": "53.47 ± 0.63 (Lee et al. 2019)",
    "Problem 3": "52.71 (Zhang et al. 2018)",
}
