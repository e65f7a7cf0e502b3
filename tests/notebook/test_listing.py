"""Networks as text."""

from fewshot_lib.networks import Discriminator, PrototypicalNet
from fewshot_lib.notebook.listing import listing


def test_equal_blocks_appear_once():
    text = listing(PrototypicalNet(32))
    assert text.count("ConvBlock(") == 2
    assert "(0): ConvBlock(" in text
    assert "(1-3): 3 x ConvBlock(" in text
    assert "(transform): Sequential(" in text
    assert text.count("(") == text.count(")")


def test_lines_fit_a_page_and_say_what_is_special():
    text = listing(PrototypicalNet(84))
    assert max(map(len, text.splitlines())) <= 80
    assert "Conv2d(3, 64, kernel_size=(3, 3), padding=(1, 1))" in text
    assert "ReLU()" in text
    assert "Dropout(p=0.5)" in text
    assert "LeakyReLU(negative_slope=0.2)" in listing(Discriminator(256))
