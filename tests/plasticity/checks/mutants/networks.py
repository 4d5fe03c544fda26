"""Networks that are wrong in one way each, and the checks that must say so."""

from typing import Any

import torch
from torch import Tensor, nn

from plasticity.networks.mlp import Feedforward, Stack

from .tunnels import Mutant


class Small(Stack):
    """A network that passes; mutants override a little of it."""

    def __init__(self, vocab: int, symbols: int):
        super().__init__(vocab, symbols, 16, [Feedforward(16)])


class TooManySymbols(Small):
    def __init__(self, vocab: int, symbols: int):
        super().__init__(vocab, symbols + 1)


class Squeezes(Small):
    def forward(self, inputs: Tensor) -> Any:
        return super().forward(inputs).squeeze(1)


class SeesTheFuture(Small):
    def forward(self, inputs: Tensor) -> Tensor:
        logits = super().forward(inputs)
        return logits + 0.1 * torch.cat([logits[:, 1:], logits[:, :1]], dim=1)


class ReadsTheNextInput(Small):
    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs) + 0.1 * super().forward(inputs.roll(-1, 1))


class FixedLength(Small):
    def __init__(self, vocab: int, symbols: int):
        super().__init__(vocab, symbols)
        self.positions = nn.Parameter(torch.randn(12, symbols))

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs) + self.positions[: inputs.shape[1]]


class LengthScaled(Small):
    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs) * (1 + inputs.shape[1])


class BatchCentred(Small):
    """What BatchNorm does across rows, position by position."""

    def forward(self, inputs: Tensor) -> Tensor:
        logits = super().forward(inputs)
        return logits - 0.1 * logits.mean(0, keepdim=True)


class Dropout(Small):
    """As every network with dropout is, in training mode."""

    def forward(self, inputs: Tensor) -> Tensor:
        return nn.functional.dropout(super().forward(inputs), 0.1, self.training)


class OtherWhenEvaluated(Small):
    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs) * (1.0 if self.training else 0.9)


class SeededByNobody(Small):
    def __init__(self, vocab: int, symbols: int):
        super().__init__(vocab, symbols)
        generator = torch.Generator()
        generator.seed()
        nn.init.normal_(self.embed.weight, generator=generator)


class DeadParameter(Small):
    def __init__(self, vocab: int, symbols: int):
        super().__init__(vocab, symbols)
        self.spare = nn.Linear(4, 4)


class InfiniteSlope(Small):
    """A root of nothing on the way to the logits: its value is 0, and its slope no number."""

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs) + (0 * self.head.weight).sum().sqrt()


class Unsaved(Small):
    """A random projection that is no buffer."""

    def __init__(self, vocab: int, symbols: int):
        super().__init__(vocab, symbols)
        self.shift = torch.randn(symbols)

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs) + self.shift


class Closure(Small):
    def __init__(self, vocab: int, symbols: int):
        super().__init__(vocab, symbols)
        self.last = lambda x: self.head(x)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.last(self.norm(self.mixers[0](self.norms[0](self.embed(inputs)))))


class Late(Small):
    """Predicts from the symbol before."""

    def forward(self, inputs: Tensor) -> Tensor:
        before = nn.functional.pad(inputs[:, :-1], (1, 0))
        return super().forward(before)


CAUSAL, LENGTH, ROWS = "causal", "serves every length", "rows are independent"
FUNCTION, STATE, COPIES = "is a function", "state dict is all", "copies"
NETWORKS: list[Mutant] = [
    (TooManySymbols, {"makes logits"}),
    (Squeezes, {"makes logits"}),
    (SeesTheFuture, {CAUSAL, LENGTH}),
    (ReadsTheNextInput, {CAUSAL, LENGTH}),
    (FixedLength, {LENGTH}),
    (LengthScaled, {LENGTH}),
    (BatchCentred, {ROWS}),
    (Dropout, {CAUSAL, LENGTH, ROWS, FUNCTION, STATE, COPIES}),
    (OtherWhenEvaluated, {FUNCTION}),
    (SeededByNobody, {"initialisation is seeded"}),
    (DeadParameter, {"every parameter gets a gradient"}),
    (InfiniteSlope, {"every parameter gets a gradient", "learns", STATE}),
    (Unsaved, {STATE}),
    (Closure, {COPIES}),
    (Late, {"learns"}),
]
