"""Distances against values worked out by hand, and what a loss needs of them."""

import math

import pytest
import torch

from fewshot_lib.networks.distances import (
    Cosine,
    Euclidean,
    Parametric,
    _squared_distance,
    cosine_similarity,
    make_distance,
)

NAMES = ("euclidean", "cosine", "parametric")

# Two queries and three prototypes in the plane.
QUERIES = torch.tensor([[3.0, 4.0], [1.0, 0.0]])
PROTOTYPES = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 2.0]])
SQUARES = torch.tensor([[25.0, 16.0, 13.0], [1.0, 4.0, 5.0]])
COSINES = torch.tensor([[0.0, 0.6, 0.8], [0.0, 1.0, 0.0]])


def identity_parametric(**options) -> Parametric:
    """F is the identity, so that its value can be worked out by hand."""
    distance = Parametric(2, **options)
    with torch.no_grad():
        distance.transform.weight.copy_(torch.eye(2))
        distance.transform.bias.zero_()
    return distance


def test_squared_distances_by_hand():
    torch.testing.assert_close(_squared_distance(QUERIES, PROTOTYPES), SQUARES)


def test_cosines_by_hand_and_zero_for_a_zero_vector():
    torch.testing.assert_close(cosine_similarity(QUERIES, PROTOTYPES), COSINES)


def test_squared_distances_are_never_negative():
    features = 100 + torch.randn(50, 400, generator=torch.Generator().manual_seed(0)) / 100
    assert _squared_distance(features, features).min() >= 0


UNSCALED = {
    "euclidean": -SQUARES,
    "cosine": COSINES,
    "parametric": -SQUARES.sqrt() / (COSINES + 2),
}


def by_hand(name: str, **options):
    return (
        identity_parametric(**options)
        if name == "parametric"
        else make_distance(name, 2, **options)
    )


@pytest.mark.parametrize("name", NAMES)
def test_logits_by_hand(name):
    with torch.no_grad():
        torch.testing.assert_close(by_hand(name)(QUERIES, PROTOTYPES), UNSCALED[name])


# Squared distances grow with the feature size, distances with its root, cosines not at all.
GROWTH = {"euclidean": 1, "cosine": 0, "parametric": 0.5}


@pytest.mark.parametrize("name", NAMES)
def test_the_scale_multiplies_and_normalising_divides_by_what_distances_grow_with(name):
    with torch.no_grad():
        scaled = by_hand(name, scale=10.0)(QUERIES, PROTOTYPES)
        normalised = by_hand(name, normalise=True)(QUERIES, PROTOTYPES)
        both = by_hand(name, scale=10.0, normalise=True)(QUERIES, PROTOTYPES)
    torch.testing.assert_close(scaled, 10 * UNSCALED[name])
    torch.testing.assert_close(normalised, UNSCALED[name] / 2 ** GROWTH[name])
    torch.testing.assert_close(both, 10 * normalised)


def test_parametric_uses_its_linear_map():
    distance = identity_parametric()
    with torch.no_grad():
        distance.transform.weight.mul_(2)  # F(x) = 2 x + (0, 1)
        distance.transform.bias.copy_(torch.tensor([0.0, 1.0]))
        logits = distance(torch.tensor([[0.0, 1.0]]), torch.tensor([[2.0, 1.0]]))
    # F maps to (0, 3) and (4, 3): distance 4, cosine 3/5.
    assert logits.item() == pytest.approx(-4 / 2.6)


@pytest.mark.parametrize("scale", [None, 10.0])
@pytest.mark.parametrize("name", NAMES)
def test_only_a_scale_adds_a_parameter(name, scale):
    names = {n for n, _ in make_distance(name, 8, scale).named_parameters()}
    transform = {"transform.weight", "transform.bias"} if name == "parametric" else set()
    assert names == transform | ({"scale"} if scale else set())


def test_the_scale_learns():
    distance = make_distance("cosine", 2, scale=10.0)
    distance(QUERIES, PROTOTYPES).sum().backward()
    assert distance.scale.grad.item() == pytest.approx(COSINES.sum().item())


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("scale", [None, 10.0])
@pytest.mark.parametrize("name", NAMES)
def test_the_nearest_prototype_wins(name, scale, normalise):
    torch.manual_seed(0)
    prototypes = torch.randn(5, 16)
    queries = prototypes + 0.01 * torch.randn(5, 16)
    logits = make_distance(name, 16, scale, normalise)(queries, prototypes)
    assert logits.argmax(-1).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("name", NAMES)
def test_leading_dimensions_equal_the_loop(name):
    torch.manual_seed(0)
    queries, prototypes = torch.randn(2, 3, 7, 16), torch.randn(2, 3, 5, 16)
    distance = make_distance(name, 16, scale=2.0)
    loop = [[distance(queries[i, j], prototypes[i, j]) for j in range(3)] for i in range(2)]
    expected = torch.stack([torch.stack(row) for row in loop])
    assert expected.shape == (2, 3, 7, 5)
    torch.testing.assert_close(distance(queries, prototypes), expected)


@pytest.mark.parametrize("point", [1.0, 0.0])
@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_finite_where_query_and_prototype_meet(name, point):
    distance = make_distance(name, 4)
    queries = torch.full((1, 4), point, requires_grad=True)
    prototypes = torch.full((1, 4), point, requires_grad=True)
    logits = distance(queries, prototypes)
    logits.sum().backward()
    gradients = [queries.grad, prototypes.grad, *(p.grad for p in distance.parameters())]
    assert logits.isfinite().all()
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_names_give_their_classes():
    kinds = [type(make_distance(name, 4)) for name in NAMES]
    assert kinds == [Euclidean, Cosine, Parametric]


def test_unscaled_cosine_stays_between_its_bounds():
    logits = make_distance("cosine", 2)(QUERIES, PROTOTYPES)
    assert logits.abs().max() <= 1 + 1e-6
    assert math.isclose(logits.max().item(), 1, rel_tol=1e-6)
