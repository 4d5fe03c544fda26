"""Checks of how a strategy answers: from the past of each sequence alone, and out of reach of what it is graded by."""

import torch
from torch import Tensor

from plasticity.checks.chance import difference
from plasticity.checks.reach import reachable
from plasticity.checks.world import SPEC, STEPS, loop, taught, world
from plasticity.config.recipe import Recipe
from plasticity.core.learner import Prediction
from plasticity.core.strategy import Strategy
from plasticity.core.stream import Stream
from plasticity.core.tunnel import IGNORE_INDEX, AnswerKey, Batch, Observer, Tunnel
from plasticity.engine.prequential import Prequential, Record, ScoredBatch

CLOSE = 1e-5
"""Nats by which two ways of computing the same logits may differ."""
HIDDEN = (AnswerKey, ScoredBatch, Record, Prequential, Stream, Tunnel, Observer)
"""What no object that a strategy can reach may be."""


def check_prediction_is_causal(subject: Recipe[Strategy]) -> None:
    """Logits at t depend on inputs up to t and targets before t of their own sequence; predicting changes nothing."""
    made = taught(loop(subject)).learner
    batch = world(1)[0]
    with torch.no_grad():
        state = {k: v.clone() for k, v in made.state_dict().items() if isinstance(v, Tensor)}
        said = made.strategy.predict(made, batch)
        for t in range(SPEC.time):
            inputs, targets = batch.inputs.clone(), batch.targets.clone()
            inputs[:, t + 1 :] = (inputs[:, t + 1 :] + 1) % SPEC.vocab
            asked = targets[:, t:] != IGNORE_INDEX
            targets[:, t:] = (
                targets[:, t:].add(1).remainder(SPEC.symbols).where(asked, IGNORE_INDEX)
            )
            for what, changed in (
                (f"inputs after position {t}", batch._replace(inputs=inputs)),
                (f"targets from position {t} on", batch._replace(targets=targets)),
            ):
                moved = (made.strategy.predict(made, changed) - said)[:, : t + 1].abs().amax((0, 2))
                assert float(moved.max()) <= CLOSE, (
                    f"predict() moved at position {int(moved.gt(CLOSE).nonzero()[0])} when only {what} were changed; "
                    "expected row t to depend on inputs[:, :t+1] and targets[:, :t], as the exact observers do"
                )
        others = torch.arange(SPEC.batch) != 0
        inputs, targets = batch.inputs.clone(), batch.targets.clone()
        inputs[others] = (inputs[others] + 1) % SPEC.vocab
        targets[others] = targets[others].roll(1, 0)
        moved = made.strategy.predict(made, Batch(inputs, targets, batch.asked)) - said
        assert float(moved[0].abs().max()) <= CLOSE, (
            "predict() of a sequence moved when the others of its batch were changed; expected each sequence on its own"
        )
        again = {k: v for k, v in made.state_dict().items() if isinstance(v, Tensor)}
        assert not (found := difference(state, again)), (
            f"predict() changed the learner: {found}; expected it to change nothing, because probes are answered by it"
        )


def check_reaches_no_answer_key(subject: Recipe[Strategy]) -> None:
    """Nothing that a strategy is handed leads to an answer key, a score or the world, whatever it holds on to.

    Looked at in the last step of a run that is graded, from the learner, the batch and the prediction, through
    attributes, closures and containers.
    """
    made = loop(subject)
    made.setup("fit")
    learner, found = made.learner, dict[str, str]()
    learn = learner.learn

    def looking(batch: Batch, prediction: Prediction) -> None:
        if learner.step == STEPS - 1:
            for name, root in (("learner", learner), ("batch", batch), ("prediction", prediction)):
                for path, each in reachable(root, name):
                    if isinstance(each, HIDDEN):
                        found.setdefault(type(each).__name__, path)
        learn(batch, prediction)

    learner.__dict__["learn"] = looking
    taught(made, scored=True)
    leaks = ", ".join(f"{kind} at {path}" for kind, path in found.items())
    assert not leaks, (
        f"what its strategy is handed leads to what it is graded by: {leaks}; expected a strategy to hold on to its "
        "batches, its learner and what it computed from these only"
    )
