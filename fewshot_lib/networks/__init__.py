"""Networks and losses, in torch alone; attribute names fix the keys of state dicts."""

from fewshot_lib.networks.adversarial import Discriminator, Extractor, Generator
from fewshot_lib.networks.encoder import PrototypicalNet, count_parameters
from fewshot_lib.networks.hallucination import HallucinatingPrototypicalNet, HallucinationNet

__all__ = [
    "Discriminator",
    "Extractor",
    "Generator",
    "HallucinatingPrototypicalNet",
    "HallucinationNet",
    "PrototypicalNet",
    "count_parameters",
]
