"""Networks as text."""

from fewshot_lib.networks import Discriminator, PrototypicalNet
from fewshot_lib.notebook.listing import listing

PROTOTYPICAL = """PrototypicalNet(
  (extractor): Encoder(
    (encoder): Sequential(
      (0): ConvBlock(
        (conv): Conv2d(3, 64, 3, padding=1) → BatchNorm2d(64) → ReLU() → MaxPool2d(2, stride=2)
      )
      (1-3): 3 x ConvBlock(
        (conv): Conv2d(64, 64, 3, padding=1) → BatchNorm2d(64) → ReLU() → MaxPool2d(2, stride=2)
      )
    )
  )
  (mlp): MLP(
    (enhance): Linear(1600, 400) → ReLU() → Linear(400, 1600) → Dropout(p=0.5)
    (transform): ReLU() → Linear(1600, 1600)
  )
)"""


def test_a_listing_is_short_and_says_what_is_special():
    assert listing(PrototypicalNet(84)) == PROTOTYPICAL
    assert "LeakyReLU(negative_slope=0.2)" in listing(Discriminator(256))
