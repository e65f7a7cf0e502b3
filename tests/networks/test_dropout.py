import pytest
import torch

from fewshot_lib.networks.cpu_layers import Dropout, _random_bits


def test_bits_are_spread_evenly_over_all_numbers():
    torch.manual_seed(0)
    bits = _random_bits(torch.Size((1 << 20,))).long() + 2**15
    assert bits.min() < 100 and bits.max() > 2**16 - 100
    counts = torch.bincount(bits // 4096, minlength=16)
    assert len(counts) == 16
    assert (counts - 2**16).abs().max() < 5 * 2**8  # five standard deviations


def test_neighbours_in_one_word_are_independent():
    torch.manual_seed(0)
    four = _random_bits(torch.Size((1 << 18, 4))).double()
    correlation = torch.corrcoef(four.T) - torch.eye(4)
    assert correlation.abs().max() < 0.01


@pytest.mark.parametrize("p", [0.2, 0.5])
def test_drops_the_share_it_should_and_keeps_the_mean(p):
    torch.manual_seed(0)
    out = Dropout(p)(torch.ones(1001, 1003))  # not a multiple of the elements of a word
    assert out.unique().tolist() == pytest.approx([0, 1 / (1 - p)])
    assert (out == 0).float().mean() == pytest.approx(p, abs=0.002)
    assert out.mean() == pytest.approx(1, abs=0.003)


def test_gradient_passes_where_the_value_did():
    x = torch.randn(50, 50, dtype=torch.float64, requires_grad=True)
    out = Dropout(0.3)(x)
    out.sum().backward()
    torch.testing.assert_close(out, x * x.grad)
    assert x.grad.unique().tolist() == pytest.approx([0, 1 / 0.7])


def test_evaluation_leaves_everything_as_it_is():
    x = torch.randn(10)
    assert Dropout(0.5).eval()(x) is x


def test_same_seed_same_mask():
    masks = []
    for _ in range(2):
        torch.manual_seed(3)
        masks.append(Dropout(0.5)(torch.ones(100)))
    assert torch.equal(*masks)
