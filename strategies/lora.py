"""Low-rank adapters beside frozen weights."""

from torch import nn

from plasticity import Learner, Natural, Positive, Strategy, add_adapters


class LoRA(Strategy):
    """One shared low-rank adapter on every weight matrix; all else is frozen.

    W_t = W_0 + (alpha / rank) B_t A_t, B_0 = 0   (Hu et al. 2021, arXiv 2106.09685, eq. 3)

    Matrices are every two-dimensional parameter but embeddings, what is tied to them, and what the network itself holds
    frozen; written as parametrizations, so that attention, LSTM and state-space weights are all reached. Cost per
    step: forward + backward.

    Args:
        rank: of the correction; 0: no adapter, every weight is trained.
        alpha: scale of the correction, over rank; null: 2 rank.
        lr: learning rate; null: the experiment's optimizer decides.
    """

    off = {"rank": 0}

    def __init__(
        self, rank: Natural = 4, alpha: Positive | None = None, lr: Positive | None = None
    ):
        super().__init__(lr)
        self.rank, self.alpha = rank, alpha

    def attach(self, learner: Learner) -> None:
        """Freeze the network and put an adapter on each of its matrices."""
        if self.rank:
            add_adapters(learner.network, self.rank, self.alpha, learner.seed)

    def trainable(self, learner: Learner) -> list[nn.Parameter]:
        """The adapter; of rank 0, every weight."""
        return super().trainable(learner)
