"""Dark experience replay against its equation, and against replay."""

import torch

from strategies import Replay
from strategies.der import DER

from .teaching import beside, jog, learner, taught
from .tiny import ASKED, batch


def test_beside_the_loss_is_squared_distance_of_logits_plus_loss():
    strategy = DER(capacity=4, alpha=0.3, beta=0.2)
    made, old, new = learner(strategy), batch(6), batch(7)
    strategy.after_batch(made, old)
    said = made(old.inputs).detach()
    jog(made)
    now, total, n = made(old.inputs).detach(), 0.0, 0
    for i in range(4):
        for t in range(5):
            if ASKED[t]:
                distance = sum(float(now[i, t, v] - said[i, t, v]) ** 2 for v in range(3))
                total += 0.3 * distance - 0.2 * float(now[i, t].log_softmax(0)[old.targets[i, t]])
                n += 1
    found = beside(made, new)
    torch.testing.assert_close(found, torch.tensor(total / n))
    assert torch.is_tensor(found) and found.requires_grad


def test_logits_are_those_of_right_after_the_step():
    strategy = DER(capacity=4)
    made, data = learner(strategy), batch(6)
    prediction = made.predict(data)
    made.learn(data, prediction)
    strategy.after_batch(made, data)
    assert torch.equal(strategy.logits, made(data.inputs))
    assert not torch.equal(strategy.logits, prediction.logits)


def test_logits_stay_with_their_sequence():
    strategy = DER(capacity=3)
    made = learner(strategy)
    jog(made)
    for made.step in range(20):
        strategy.after_batch(made, batch(made.step, 7))
    torch.testing.assert_close(strategy.logits, made(strategy.memory.inputs).detach())


def test_each_term_can_be_switched_off():
    strategy = DER(capacity=4, alpha=0.0, beta=0.0)
    made = learner(strategy)
    strategy.after_batch(made, batch(6))
    assert beside(made, batch(7)) == 0.0
    nothing = DER(capacity=4)
    assert beside(learner(nothing), batch(7)) == 0.0


def test_without_alpha_it_is_replay_to_the_bit_and_with_alpha_it_is_not():
    replay = taught(Replay(capacity=9, weight=0.7))
    plain, dark = taught(DER(9, alpha=0.0, beta=0.7)), taught(DER(9, alpha=0.1, beta=0.7))
    assert all(torch.equal(v, plain[k]) for k, v in replay.items())
    assert not any(torch.equal(v, dark[k]) for k, v in replay.items())


def test_der_plus_plus_draws_twice():
    """What beta adds to alpha is a loss on another sample than alpha's."""
    strategy = DER(capacity=40)
    made = learner(strategy)
    strategy.after_batch(made, batch(6, 40))
    jog(made)
    drawn = list[torch.Tensor]()
    real = strategy.memory.draw

    def spy(n, rng):
        drawn.append(real(n, rng))
        return drawn[-1]

    strategy.memory.draw = spy
    strategy.rehearse(made, 4)
    assert [len(each) for each in drawn] == [4, 4]
    assert set(drawn[0].tolist()) != set(drawn[1].tolist())
