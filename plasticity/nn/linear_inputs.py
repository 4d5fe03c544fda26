"""Linear maps of a network, and the second moments of their inputs."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


class LinearMap(NamedTuple):
    """A weight that inputs are multiplied with."""

    weight: nn.Parameter
    groups: int
    """Of channels; each has a map of its own. 1 but for convolutions."""
    table: bool
    """Whether it is an embedding, whose inputs are symbols: one-hot vectors."""
    moments: Float[Tensor, "groups in in"]
    """The sum of x x^T over all inputs x, of each group."""

    def matrix(self, value: Tensor) -> Float[Tensor, "groups out in"]:
        """A view of the weight, or of something of its shape, as what stands to the left of x."""
        if self.table:
            return value.mT[None]
        return value.view(self.groups, len(value) // self.groups, -1)


@torch.no_grad()
def linear_maps(network: nn.Module, inputs: Tensor) -> list[LinearMap]:
    """Every use of a parameter as a linear map while these inputs go through, in the order of first use.

    Read where torch is called and not from modules, so that it does not matter which layer calls: linear maps,
    embeddings, 1-d convolutions, and both matrices of a one-layer LSTM. One weight used twice is one map. Weights
    that were computed (parametrized ones) are no parameters and are left out.
    """
    with _Reader() as reader:
        network(inputs)
    return list(reader.found.values())


class _Reader(TorchFunctionMode):
    """While active, notes what goes into linear maps."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[tuple[int, bool], LinearMap] = {}
        self.readers: dict[Callable[..., Any], Callable[..., None]] = {
            F.linear: self.linear,
            F.embedding: self.embedding,
            F.conv1d: self.conv1d,
            torch.lstm: self.lstm,
        }

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in self.readers:
            self.readers[func](result, *args, **(kwargs or {}))
        return result

    def add(self, weight: Tensor, moments: Tensor, table: bool = False) -> None:
        if isinstance(weight, nn.Parameter):
            key = id(weight), table
            if key in self.found:
                moments = moments + self.found[key].moments
            self.found[key] = LinearMap(weight, len(moments), table, moments)

    def linear(self, result: Tensor, input: Tensor, weight: Tensor, bias: Any = None) -> None:
        rows = input.reshape(-1, input.shape[-1]).double()
        self.add(weight, (rows.T @ rows)[None])

    def embedding(self, result: Tensor, input: Tensor, weight: Tensor, *_: Any, **__: Any) -> None:
        counts = input.flatten().bincount(minlength=len(weight))
        self.add(weight, counts.double().diag()[None], table=True)

    def conv1d(
        self,
        result: Tensor,
        input: Tensor,
        weight: Tensor,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> None:
        if isinstance(padding, str):
            return
        (s,), (p,), (d,) = ((v,) if isinstance(v, int) else v for v in (stride, padding, dilation))
        windows = F.unfold(input[:, :, None], (1, weight.shape[2]), (1, d), (0, p), (1, s))
        columns = windows.unflatten(1, (groups, -1)).permute(1, 2, 0, 3).flatten(2).double()
        self.add(weight, columns @ columns.mT)

    def lstm(
        self,
        result: Any,
        input: Tensor,
        hx: Any,
        params: Any,
        has_biases: bool,
        num_layers: int,
        dropout: float,
        train: bool,
        bidirectional: bool,
        batch_first: bool,
    ) -> None:
        if num_layers > 1 or bidirectional or isinstance(hx, Tensor):  # a Tensor: packed sequences
            return
        h = result[0].transpose(0, 1) if batch_first else result[0]
        self.linear(h, input, params[0])
        self.linear(h, torch.cat([hx[0], h[:-1]]), params[1])
