"""Recognition head: from what a frozen network makes of an episode to a distribution over hypotheses."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from plasticity.core.network import Network


class ProposalHead(nn.Module):
    """A two-layer head on the last residual and the logits of a network, whose weights stay as they are.

    Law: log q(g | inputs[:, :t+1]) = log softmax(W_2 gelu(W_1 norm([h_t, logits_t]))), h_t what enters the network's
    readout. Its best is the exact posterior, as what it is trained by is cross-entropy on the hypothesis that made
    the episode (the sleep phase of Hinton et al. 1995; amortised inference: Le, Baydin & Wood 2017).

    Args:
        network: frozen.
        hypotheses: how many there are.
        hidden: channels between the two layers.
    """

    def __init__(self, network: Network, hypotheses: int, hidden: int):
        super().__init__()
        self.network, self.hypotheses = network.eval().requires_grad_(False), hypotheses
        with torch.no_grad():
            width = self.features(torch.zeros(1, 1, dtype=torch.int64)).shape[-1]
        inner = nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, hypotheses)
        self.layers = nn.Sequential(nn.LayerNorm(width), *inner)

    def forward(
        self, inputs: Int[Tensor, "batch time"]
    ) -> Float[Tensor, "batch time {self.hypotheses}"]:
        """Logits of q at every position."""
        with torch.no_grad():
            features = self.features(inputs)
        return self.layers(features)

    def features(self, inputs: Int[Tensor, "batch time"]) -> Float[Tensor, "batch time width"]:
        """What enters the last linear layer of the network, if that is its readout, and the logits."""
        seen = list[tuple[int, Tensor]]()

        def note(layer: nn.Module, given: tuple[Tensor, ...]) -> None:
            assert isinstance(layer, nn.Linear)
            seen.append((layer.out_features, given[0]))

        layers = (module for module in self.network.modules() if isinstance(module, nn.Linear))
        hooks = [layer.register_forward_pre_hook(note) for layer in layers]
        try:
            logits = self.network.eager(inputs)
        finally:
            for hook in hooks:
                hook.remove()
        if not seen or seen[-1][0] != self.network.symbols:
            return logits
        return torch.cat([seen[-1][1], logits], -1)
