"""Letters: what a regime is called in pictures and tables. No matplotlib."""


def letter(regime: int) -> str:
    """A, B, ..., Z, then numbers."""
    return chr(ord("A") + regime) if regime < 26 else str(regime)
