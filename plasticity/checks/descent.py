"""Checks of what a strategy descends: the loss where it is asked, downwards, by the weights that it calls trainable."""

from unittest import SkipTest

import torch

from plasticity.checks.world import ended, loop, scored_batch, world
from plasticity.config.recipe import Recipe
from plasticity.core.strategy import Strategy
from plasticity.core.tunnel import IGNORE_INDEX

REPEATS = 24
"""Steps on one and the same batch: enough for what learns now and then, too."""
RISEN = 0.1
"""Nats above where it began that the loss on that batch may end.

Noise, forgetting and penalties may keep a strategy from learning it, and it then ends about where an untrained network
begins, at ln 3; a network that ascends gains more in as many steps of AdamW at 0.01."""


def check_learns_from_asked_positions_only(subject: Recipe[Strategy]) -> None:
    """The loss has no gradient at positions where a sequence is not asked, whichever they are."""
    made = loop(subject)
    made.setup("fit")
    made.configure_optimizers()
    batch = world(1)[0]
    targets = batch.targets.clone()
    targets[0, int(batch.asked.nonzero()[0])] = (
        IGNORE_INDEX  # this sequence alone is not asked there
    )
    batch = batch._replace(targets=targets)
    logits = made.learner.predict(batch).logits.detach().requires_grad_()
    loss = made.learner.strategy.loss(made.learner, batch, logits)
    if not loss.requires_grad:
        raise SkipTest("its loss does not depend on the logits")
    (slope,) = torch.autograd.grad(loss, logits)
    unasked = targets == IGNORE_INDEX
    assert torch.isfinite(slope).all() and not slope[unasked].any(), (
        "its loss moves with logits at positions where a sequence is not asked (targets are IGNORE_INDEX there); "
        "expected a loss over asked positions only, as learner.nll(logits, targets, asked) is"
    )


def check_does_not_ascend(subject: Recipe[Strategy]) -> None:
    """Learning from one batch again and again does not make it worse predicted."""
    made = loop(subject)
    made.setup("fit")
    made.configure_optimizers()
    learner, stream = made.learner, world(1)
    item = scored_batch(stream, 0, lambda batch, key: (batch, key), scored=False)

    @torch.no_grad()
    def loss() -> float:
        said = learner.strategy.predict(learner, item.batch)
        return float(learner.nll(said, item.batch.targets, item.batch.asked))

    first = loss()
    for step in range(REPEATS):
        made.prequential_step(item._replace(step=step))
    last = loss()
    assert last <= first + RISEN, (
        f"learning from one batch {REPEATS} times brought its loss from {first:.3f} to {last:.3f} nats; expected it to "
        "fall, or to stay about where it was: is a sign turned, in the loss or in what project_gradients() leaves?"
    )


def check_moves_what_is_trainable(subject: Recipe[Strategy]) -> None:
    """Parameters of the network that are not in trainable() are the same to the bit after learning.

    Without shifts, at which adapters may be merged into what is below them. Unless trainable() is empty: such a
    strategy has no optimizer, and moves weights by a law of its own or not at all.
    """
    made = loop(subject, announce_shifts=False)
    made.setup("fit")
    if not made.learner.trainable():
        raise SkipTest("its trainable() is empty: it moves weights by a law of its own, if any")
    trained = {id(p) for p in made.learner.trainable()}
    others = {n: p for n, p in made.learner.network.named_parameters() if id(p) not in trained}
    before = {name: p.detach().clone() for name, p in others.items()}
    after = ended(subject, announce_shifts=False).state
    for name, old in before.items():
        assert torch.equal(after[f"learner.network.{name}"], old), (
            f"{name} moved while it learned, and is not in trainable(); expected trainable() to list every parameter "
            "that moves (the optimizer, penalties and diagnostics go by it), or none where no gradient is taken"
        )
