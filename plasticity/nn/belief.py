"""Belief: which of several answers explains an episode, by Bayes' rule, and what is believed of the next."""

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from plasticity.core.tunnel import IGNORE_INDEX


def sequence_evidence(
    said: Float[Tensor, "answers batch time symbols"], targets: Int[Tensor, "batch time"]
) -> Float[Tensor, "answers batch upto"]:
    """Entry t: log-probability of all that was asked before t, in nats; the last one that of the whole sequence.

    Args:
        said: log-probabilities by each who answers.
        targets: what came; IGNORE_INDEX where nothing is asked.
    """
    asked = targets != IGNORE_INDEX
    index = targets.where(asked, 0).expand(len(said), -1, -1)[..., None]
    return F.pad((said.gather(-1, index)[..., 0] * asked).cumsum(-1), (1, 0))


def even_belief(begun: Int[Tensor, " slots"]) -> Float[Tensor, " owners"]:
    """The first owner, which has no slot, and those whose slot was begun (is above 0) are equally likely."""
    alive = F.pad(begun > 0, (1, 0), value=True)
    return alive / alive.sum()


def shared_belief(
    belief: Float[Tensor, " owners"], even: Float[Tensor, " owners"], share: float, floor: float
) -> Float[Tensor, " owners"]:
    """What is believed of the next episode: a share is spread evenly, and the first owner keeps a floor.

    (Fixed share: Herbster & Warmuth 1998, Machine Learning 32.)
    """
    mixed = (1 - share) * belief + share * even
    return F.pad(mixed.new_tensor([floor]), (0, len(mixed) - 1)) + (1 - floor) * mixed
