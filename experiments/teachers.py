"""Four teachers of one network: python experiments/teachers.py. Bits, accuracy and overconfidence as they come."""

import numpy as np
import torch
from teaching import worth

from plasticity.engine.config import Pretrain
from plasticity.engine.pretrain import fresh, most_probable
from plasticity.networks import Transformer
from streams import Choice

TUNNEL, TIME, STEPS, BATCH, RATE, WARM = Choice(features=1, levels=3), 15, 400, 32, 5e-3, 50

if __name__ == "__main__":
    torch.set_num_threads(1)
    asked = torch.from_numpy(TUNNEL.asked(TIME))
    for seed in (0, 1, 2):
        for target in ("posterior", "samples", "argmax", "oracle"):
            torch.manual_seed(seed)
            network = Transformer(TUNNEL.vocab, TUNNEL.symbols, width=32, depth=2, heads=4)
            optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=0)
            plan, seen = Pretrain(steps=STEPS, batch=BATCH, target=target), list[float]()
            world = fresh([TUNNEL], plan, TIME, seed)
            for step in range(STEPS):
                if step % 50 == 0:
                    seen.append(round(worth(network, TUNNEL, TIME).kl, 3))
                batch, key = world.keyed(step)
                fall = (1 + np.cos(np.pi * max(0, (step - WARM) / (STEPS - WARM)))) / 2
                optimizer.param_groups[0]["lr"] = RATE * min(1, (step + 1) / WARM) * fall
                log_q = network.train()(batch.inputs)[:, asked].log_softmax(-1)
                taught = key.posterior[:, asked]
                if target == "samples":
                    taught = torch.nn.functional.one_hot(batch.targets[:, asked], TUNNEL.symbols)
                elif target != "posterior":
                    taught = most_probable(taught)
                loss = -(taught.to(log_q) * log_q).sum(-1).mean()
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
                optimizer.step()
            print(seed, target, worth(network, TUNNEL, TIME), seen, flush=True)
