"""Predictors: the learner, and all that face every batch beside it, by name and place in a table."""

MODEL = "model"
"""The learner's name among the predictors, in front of `PREDICTORS`."""
PREDICTORS = (
    "informed",
    "switching",
    "continual",
    "amnesic",
    "memoryless",
    "position",
    "uniform",
)
"""Four exact observers, then three baselines that a learner must beat to be called trained."""
MEANING = {
    "informed": "knows the latent of every episode: the floor",
    "switching": "knows every regime's latent and the law of the shifts, and infers which regime is live",
    "continual": "knows the prior and all episodes of this regime so far, of its earlier visits too: the ideal learner",
    "amnesic": "knows the prior and this episode so far: the ideal of a frozen model",
    "memoryless": "knows the prior, the position and the last symbol",
    "position": "knows the prior and the position",
    "uniform": "every symbol alike",
}
"""What each of them knows."""
INFORMED, SWITCHING, CONTINUAL, AMNESIC, MEMORYLESS, POSITION, UNIFORM = range(len(PREDICTORS))
SHARES = (0.0, 0.01, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Of the exact mixtures on the frontier: b, the prior probability that an episode has a fresh latent. 0 is the
continual observer, 1 the amnesic one."""
FRONTIER = tuple(f"{where}/b{share:g}" for where in ("live", "fresh") for share in SHARES)
"""Columns of its table: bits lost on the live regime, then on fresh latents, at each share."""
MOVED = "kl_pretrained/model"
"""Column of the probe table: bits from the network before any update to what the learner answers."""
BELIEF = "belief/"
"""So begin the columns of the step table that say which regime was taken to be live; 0 is the pretrained network."""
