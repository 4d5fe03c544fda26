"""In-place TTT: one matrix moves, chunk by chunk, by its gradient; what is carried over."""

from copy import deepcopy

import pytest
import torch

from plasticity import Updates
from plasticity.networks import LSTM, MLP, Mamba, Transformer
from strategies.in_place_ttt import InPlaceTTT

from .teaching import meet, teach
from .tiny import ASKED, batch, learner, log_likelihood

LAST = {
    Transformer: "mixers.3.out_proj.weight",
    MLP: "mixers.1.out_proj.weight",
    Mamba: "mixers.1.out_proj.weight",
    LSTM: "mixers.1.weight_hh_l0",
}


@pytest.mark.parametrize("network", LAST)
def test_what_moves_is_the_last_blocks_output_matrix(network: type):
    made = learner(InPlaceTTT(), network, depth=2)
    before = {name: p.detach().clone() for name, p in made.network.named_parameters()}
    teach(made, 0)
    moved = [n for n, p in made.network.named_parameters() if not torch.equal(p, before[n])]
    assert moved == [LAST[network]]


def test_each_chunk_is_predicted_by_what_learned_from_the_chunks_before():
    """Plain descent by .1 on the loss of each chunk, by hand, one sequence of five in chunks of two."""
    made = learner(InPlaceTTT(), Transformer, updates=Updates("chunk", 2))
    copy, data = deepcopy(made.network).requires_grad_(False), batch(3, 1)
    fast = copy.get_parameter("mixers.1.out_proj.weight").requires_grad_()
    made.begin(0)
    for (episode,) in [list(made.updates.episodes(data))]:
        for piece in made.updates.pieces(episode):
            prediction = made.predict(piece)
            torch.testing.assert_close(prediction.logits, copy(piece.inputs))
            made.learn(piece, prediction)
            x, y, n = piece.inputs[0], piece.targets[0], int(piece.asked.sum())
            loss = -log_likelihood(copy, x, y, piece.asked) / n
            with torch.no_grad():
                fast -= 0.1 * torch.autograd.grad(loss, fast)[0]
    assert int(ASKED.sum()) == 4
    found = made.network.get_parameter("mixers.1.out_proj.weight")
    torch.testing.assert_close(found.detach(), fast.detach())


@pytest.mark.parametrize("carry", [0.0, 0.25, 1.0])
def test_the_next_episode_begins_with_what_is_carried(carry: float):
    made = learner(InPlaceTTT(carry=carry), Transformer)
    (fast,) = made.trainable()
    first, data = fast.detach().clone(), batch(0)
    teach(made, 0, data)
    learned = fast.detach().clone()
    made.finish_batch(data)
    torch.testing.assert_close(fast.detach(), first + carry * (learned - first))
    assert (learned - first).abs().max() > 1e-4


def test_several_blocks():
    made = learner(InPlaceTTT(blocks=3), Transformer, depth=2)
    mine = {id(p) for p in made.trainable()}
    names = [n for n, p in made.network.named_parameters() if id(p) in mine]
    assert names == [f"mixers.{i}.out_proj.weight" for i in (1, 2, 3)]
    meet(made, 0, batch(0))


def test_a_network_without_declared_units_is_refused():
    class Bare(MLP):
        def __init__(self, vocab: int, symbols: int, width: int, depth: int):
            super().__init__(vocab, symbols, width, depth)
            self.mixers = torch.nn.ModuleList([torch.nn.Linear(width, width) for _ in self.mixers])

    with pytest.raises(ValueError, match="^InPlaceTTT: Bare has no layer with `declare_units`"):
        learner(InPlaceTTT(), Bare)
