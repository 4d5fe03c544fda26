"""Readout filters: several Bayesian readouts, each by an extended Kalman filter that is slow and one that is quick."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from plasticity.core.bounded import Fraction

Columns = Float[Tensor, "*many size columns"]
Precision = Float[Tensor, "*many size size"]


def conditioned(
    mean: Columns,
    precision: Precision,
    likelihood: Callable[[Columns], tuple[Precision, Columns]],
    iterations: int,
) -> tuple[Columns, Precision]:
    """A Gaussian after observations that are linearised, and linearised anew where that led: the iterated filter.

    The fixed point is the mode of the posterior (Bell & Cathey 1993, IEEE Trans. Automatic Control 38(2)).

    Args:
        mean: before; what stands in several columns has one precision.
        precision: before, the inverse of the covariance.
        likelihood: weights -> information of the observations there, and the gradient of their log likelihood.
        iterations: how often.

    Returns:
        the mean and the precision after.
    """
    after, found = mean, precision
    for _ in range(iterations):
        information, force = likelihood(after)
        found = precision + information
        force = force + information @ (after - mean)
        after = mean + torch.cholesky_solve(force, torch.linalg.cholesky(found))
    return after, found


class ReadoutFilters(nn.Module):
    """Several readouts W, each inferred by two extended Kalman filters: a slow one and one that forgets quickly.

    With features x_n, p_n = softmax(W x_n), targets y_n (one-hot) and weights r_n, for each symbol k by itself:

    A_k = decay P_k^-1 + (1 - decay) / variance;   P_k^-1 <- A_k + sum_n r_n p_nk x_n x_n^T
    W_k <- W_k + P_k sum_n r_n (y_nk - p_nk) x_n

    (the filter as online natural gradient: Ollivier 2018, arXiv 1703.00209, where the information of an observation is
    (diag p_n - p_n p_n^T) (x) x_n x_n^T; here without p p^T, which is never below it, as if symbols were independent
    Poisson counts: Baker 1994, The Statistician 43(4); linearised `iterations` times, as `conditioned` has it.)

    In `average` is the slow filter, of `decay`; in `weights` the one of `quick`. Memory: per row 2 symbols width^2
    numbers.

    Args:
        rows: how many.
        symbols: of a readout.
        variance: (width) of each weight before anything is seen, the same for all symbols.
        decay: share of the slow filter's precision that is left after a step.
        quick: the same of the quick one's.
    """

    weights: Float[Tensor, "rows numbers"]
    average: Float[Tensor, "rows numbers"]
    precision: Float[Tensor, "two rows symbols width width"]
    """Of the quick filter, and of the slow one."""
    prior: Float[Tensor, "width width"]
    """The precision before anything is seen."""
    settled: Int[Tensor, " rows"]
    """Steps of each that count."""

    def __init__(
        self,
        rows: int,
        symbols: int,
        variance: Float[Tensor, " width"],
        decay: Fraction,
        quick: Fraction,
    ):
        super().__init__()
        self.symbols, self.decays = symbols, (quick, decay)
        self.register_buffer("prior", variance.reciprocal().diag(), persistent=False)
        width = len(variance)
        for name in ("weights", "average"):
            self.register_buffer(name, variance.new_zeros(rows, symbols * width))
        self.register_buffer("precision", variance.new_zeros(2, rows, symbols, width, width))
        self.register_buffer("settled", torch.zeros(rows, dtype=torch.int64))

    def start(self, row: int, at: Float[Tensor, " numbers"]) -> None:
        """A readout begins here, as sure as the prior is."""
        self.weights[row] = self.average[row] = at
        self.precision[:, row] = self.prior
        self.settled[row] = 0

    def unsettle(self, row: int) -> None:
        """What it is after has moved: the slow filter goes on from where the quick one is."""
        self.average[row] = self.weights[row]
        self.precision[1, row] = self.precision[0, row]
        self.settled[row] = 0

    def wait(self, row: int) -> None:
        """A step passes: both filters forget, and go back towards the prior's precision."""
        self.settled[row] += 1
        for precision, decay in zip(self.precision[:, row], self.decays, strict=True):
            precision.lerp_(self.prior, 1 - decay)

    def condition(
        self,
        row: int,
        x: Float[Tensor, "n width"],
        y: Float[Tensor, "n symbols"],
        r: Float[Tensor, " n"],
        iterations: int,
    ) -> None:
        """Both filters see these observations, each as much as it weighs."""

        def likelihood(weights: Columns) -> tuple[Precision, Columns]:
            p = (x @ weights[..., 0].T).softmax(-1)
            information = (r[:, None] * p).T[:, None] * x.T @ x
            return information, (((y - p) * r[:, None]).T @ x)[..., None]

        for mean, precision in zip((self.weights, self.average), self.precision, strict=True):
            before = mean[row].view(self.symbols, -1, 1)
            after, precision[row] = conditioned(before, precision[row], likelihood, iterations)
            mean[row] = after.flatten()
