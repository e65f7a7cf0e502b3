"""Problem 2: prototypes of real and hallucinated features."""

import torch
from torch import nn

from fewshot_lib.learning.prototypical import Features, PrototypicalLearner
from fewshot_lib.learning.steps import draw_noise
from fewshot_lib.networks.encoder import NOISE_SIZE
from fewshot_lib.networks.hallucination import HallucinatingPrototypicalNet
from fewshot_lib.spec.parameters import Spec


class HallucinationLearner(PrototypicalLearner):
    """Prototypes of real and imagined features (Wang et al. 2018).

    Each support's feature is averaged with ``n_aug`` hallucinated ones before it is embedded.
    Queries are embedded as they are, or with ``mix_queries`` averaged alike, as in the original.
    With ``n_aug`` = 0 this is ``PrototypicalLearner``.
    """

    network = HallucinatingPrototypicalNet

    def make_network(self, spec: Spec) -> nn.Module:
        return self.network(spec.image_size, spec.init, spec.residual)

    def parameter_groups(self, module: nn.Module) -> list[dict]:
        """The hallucinator, which no classifier has trained before, may learn faster."""
        if self.spec.hallucinator_lr is None:
            return super().parameter_groups(module)
        relative = self.spec.hallucinator_lr / self.spec.lr
        own = list(self.net.hallucinate.parameters())
        known = set(map(id, own))
        others = [p for p in module.parameters() if id(p) not in known]
        return [{"params": others}, {"params": own, "relative_lr": relative}]

    def queries(
        self, query: Features, n_aug: int = 0, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        if n_aug and self.spec.mix_queries:
            return self.embed_mixed(query.raw, n_aug, generator)
        return query.embedded

    def embed_mixed(
        self, raw: torch.Tensor, n_aug: int, generator: torch.Generator | None
    ) -> torch.Tensor:
        noise = draw_noise((*raw.shape[:-1], n_aug, NOISE_SIZE), raw.device, generator)
        return self.embed(self.net.hallucinate.mix(raw, noise))

    def spaces(
        self, raw: torch.Tensor, n_aug: int, generator: torch.Generator | None = None
    ) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        noise = draw_noise((*raw.shape[:-1], n_aug, NOISE_SIZE), raw.device, generator)
        fakes = self.net.hallucinate(raw, noise)
        mlp = self.net.mlp
        return {"before MLP": (raw, fakes), "after MLP": (mlp(raw), mlp(fakes))}
