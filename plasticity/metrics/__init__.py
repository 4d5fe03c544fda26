"""Metrics: scores in bits, and what is derived from them."""

from plasticity.metrics.posterior import KL, EntropyError, TotalVariation

__all__ = ["KL", "EntropyError", "TotalVariation", "standard"]


def standard() -> list[KL | EntropyError | TotalVariation]:
    """What every run scores: KL to each observer, log loss, total variation, entropy error."""
    return [
        KL("informed"),
        KL("continual"),
        KL("amnesic"),
        KL("realised"),
        TotalVariation("informed"),
        EntropyError("amnesic"),
    ]
