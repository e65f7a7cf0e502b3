"""Prototypical Networks as usually written: what the library's speed is compared with.

Each image file is opened for every episode, supports and queries pass through the network apart,
layers stand in the order of the paper, and tensors keep their default layout.
"""

import itertools
import random
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from fewshot_lib.data.vision import torchvision
from fewshot_lib.networks.encoder import HIDDEN, MLP, feature_size

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def network(image_size: int) -> nn.Sequential:
    """The layers of Problem 1's network."""
    channels = [3, HIDDEN, HIDDEN, HIDDEN, HIDDEN]
    blocks = [
        nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU(), nn.MaxPool2d(2))
        for i, o in itertools.pairwise(channels)
    ]
    return nn.Sequential(*blocks, nn.Flatten(), MLP(feature_size(image_size)))


class Pictures(torch.utils.data.Dataset):
    """Image files in folders, one a class; an item is a normalised image and its label."""

    def __init__(self, folder: Path):
        self.files = sorted(folder.glob("*/*.jpg"))
        names = sorted({path.parent.name for path in self.files})
        self.labels = [names.index(path.parent.name) for path in self.files]
        self.transform = torchvision.transforms.Compose(
            [torchvision.transforms.ToTensor(), torchvision.transforms.Normalize(MEAN, STD)]
        )

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        with Image.open(self.files[i]) as file:
            return self.transform(file.convert("RGB")), self.labels[i]

    def get_labels(self) -> list[int]:
        return self.labels


class Episodes:
    """Draws episodes and loads their images, ``(n_way, n_shot + n_query, 3, s, s)``."""

    def __init__(self, pictures: Pictures, n_way: int, n_images: int):
        self.pictures, self.n_way, self.n_images = pictures, n_way, n_images
        self.by_class: dict[int, list[int]] = {}
        for i, label in enumerate(pictures.labels):
            self.by_class.setdefault(label, []).append(i)

    def load(self) -> torch.Tensor:
        classes = random.sample(sorted(self.by_class), self.n_way)
        return torch.stack(
            [self.images(random.sample(self.by_class[c], self.n_images)) for c in classes]
        )

    def images(self, indices: Sequence[int]) -> torch.Tensor:
        return torch.stack([self.pictures[i][0] for i in indices])


def logits(net: nn.Module, images: torch.Tensor, n_shot: int) -> torch.Tensor:
    """Negative squared distances of the queries to the prototypes, ``(n_way * n_query, n_way)``."""
    n_way = len(images)
    support = net(images[:, :n_shot].flatten(0, 1))
    query = net(images[:, n_shot:].flatten(0, 1))
    prototypes = support.view(n_way, n_shot, -1).mean(1)
    return -(query.unsqueeze(1) - prototypes.unsqueeze(0)).pow(2).sum(-1)


def train_step(
    net: nn.Module, optimizer: torch.optim.Optimizer, images: torch.Tensor, n_shot: int
) -> None:
    n_way, n_images = images.shape[:2]
    target = torch.arange(n_way).repeat_interleave(n_images - n_shot)
    loss = F.cross_entropy(logits(net, images, n_shot), target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
