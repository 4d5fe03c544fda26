"""Network: a causal sequence model from symbols to logits."""

from abc import abstractmethod
from typing import ClassVar, cast

from jaxtyping import Float, Int
from torch import Tensor, nn


class Network(nn.Module):
    """A causal sequence model from symbols to logits.

    Law: logits[:, t] depend on inputs[:, :t+1] only, and the same weights serve every length.
    Every constructor begins `(vocab, symbols, ...)`, which the engine fills in from the stream; the other
    arguments are the YAML's. Initialisation reads torch's global generator, which the engine seeds.

    Args:
        vocab: size of the input alphabet.
        symbols: size of the target alphabet.

    Attributes:
        given: constructor arguments that the engine supplies and a YAML may not.
    """

    given: ClassVar = ("vocab", "symbols")

    def __init__(self, vocab: int, symbols: int):
        super().__init__()
        self.vocab = vocab
        self.symbols = symbols

    @abstractmethod
    def forward(self, inputs: Int[Tensor, "batch time"]) -> Float[Tensor, "batch time symbols"]:
        """Logits (natural-log scale) of the symbol to predict at each position."""

    def eager(self, inputs: Int[Tensor, "batch time"]) -> Float[Tensor, "batch time symbols"]:
        """The same, past torch.compile: where hooks look at what goes on inside."""
        return cast(Tensor, self._call_impl(inputs))

    def summary(self, inputs: Int[Tensor, "batch time"]) -> dict[str, float]:
        """Numbers that only this network can tell, after a run; `network/<name>` in a summary.

        Args:
            inputs: held out.
        """
        return {}
