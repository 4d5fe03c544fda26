"""Configuration of the diagnostics: what is measured of a network while it learns, and how often. No torch."""

from plasticity.core.bounded import Count, Natural, Positive


class Condition:
    """What is measured of the network, before the first step and at the end of every few stretches.

    Measuring changes nothing: no weight, gradient, mode, buffer or random number.

    | column | what |
    |---|---|
    | dormant/tau0.025, /tau0.1 | share of units with E abs h_k / mean_j E abs h_j <= tau: Sokar et al. 2023 |
    | dead/lop2024 | share of units that say 0 at every position: Dohare et al. 2024 |
    | saturated/tau0.99 | share of units with P(0.99 < abs h <= 1) > 0.99; it means something for bounded ones |
    | effective_rank/roy2007 | of the features: exp of the entropy of their singular values |
    | stable_rank | squared Frobenius norm over squared spectral norm |
    | srank/kumar2021 | singular values that make up 99 % of their sum |
    | approximate_rank/yang2019 | the same of their squares |
    | drift/cka2019 | 1 - linear CKA with the features before deployment: Kornblith et al. 2019 |
    | weight/l2, /mean_abs | of all parameters of the network as it is, adapters among them |
    | weight/distance | L2 norm of theta - theta before deployment |
    | update/l2 | L2 norm of theta - theta at the beginning of the stretch |
    | gradient/l2 | of the loss on the held-out sequences in nats, for all parameters, trained or not |
    | plasticity/upgd2024 | clip(1 - l(theta_{t+1}; x_t) / max(l(theta_t; x_t), 1e-8), 0, 1), t the last step: |
    | | Elsayed & Mahmood 2024. One more forward pass for a measurement, not for every step |
    | hessian_rank/ritz0.1 | Ritz values above 0.1 of the largest, in magnitude (cf. arXiv 2312.00246) |
    | hessian_rank/roy2007 | effective rank of the magnitudes of the Ritz values |
    | trainability/now, /start, /fresh | mean loss in bits while plain AdamW learns a regime that nobody has met: |
    | | from the weights now, those before deployment, and fresh ones |
    | trainability/ratio | now / fresh: above 1, a fresh network would do better |
    | routing/tv | total variation between rows of attention now and before deployment, mean over all heads |
    | values/moved | 1 - overlap of the leading subspaces of the values now and before, as many axes as symbols |
    | keys/cosine, focus | mean abs cosine of the symbols' keys, relative entropy of attention; means over heads |
    | belief/r2 | held-out R2 of a read-out of the exact amnesic log predictive from the last residual stream, less |
    | | what position and symbol explain. These five: `inside`, on the probe with fresh latents |

    Features are what goes into the readout, at the asked positions; units are those that layers declare
    (`declare_units`), at all positions. All but plasticity and trainability are of the first `samples` sequences of
    one held-out batch. What is undefined is NaN: units where none are declared, the update before the first step.
    Cost: two forwards and a backward of `samples` sequences and a forward of the batch last met; with `hessian`, as
    many Hessian-vector products beside; with `trainability`, three times as many steps, once.

    Args:
        every: stretches from one measurement to the next; 0: none. The end of the stream is always measured.
        samples: held-out sequences.
        hessian: Lanczos steps on the Hessian of the loss, hence the largest rank that can be found; 0: none.
        trainability: AdamW steps from each of the three beginnings, at the end of the stream; 0: none.
        lr: their learning rate.
        inside: stretches, hence probes, from one look at routing, values, keys and beliefs to the next; 0: none.
            A row that holds only one of both kinds of columns has NaN in the others.

    Raises:
        ValueError: something is to be measured, and never.
    """

    def __init__(
        self,
        every: Natural = 4,
        samples: Count = 16,
        hessian: Natural = 0,
        trainability: Natural = 0,
        lr: Positive = 1e-3,
        inside: Natural = 0,
    ):
        if not every and (hessian or trainability):
            raise ValueError(
                "every: expected 1 or more where hessian or trainability is asked for, got 0"
            )
        self.every, self.samples, self.hessian = every, samples, hessian
        self.trainability, self.lr, self.inside = trainability, lr, inside
