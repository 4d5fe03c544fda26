"""Fine-tuning: plain gradient descent on every batch."""

from plasticity import Strategy


class Finetune(Strategy):
    """Dynamic evaluation: score a batch, then take one gradient step on it.

    theta <- theta - eta grad L(batch; theta)     (Mikolov et al. 2010; Krause et al. 2018, arXiv 1709.07432)

    The baseline every other strategy vanishes into at its `off` setting. Cost per step: forward + backward.

    Args:
        lr: learning rate; null: the experiment's optimizer decides.
    """
