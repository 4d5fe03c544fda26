"""Description lengths of the answers that an observer of laws has absorbed, in bits."""

from typing import NamedTuple

import numpy as np

from streams.laws.laws import LawsObserver


class Account(NamedTuple):
    """A two-part code: a law, and the answers given that law."""

    law: str
    model: float
    data: float


def mixture(observer: LawsObserver) -> float:
    """In the mixture of all laws: what predicting the answers in turn has cost (Dawid 1984)."""
    return -float(np.logaddexp.reduce(observer.log_weights) / np.log(2))


def shortest(observer: LawsObserver) -> Account:
    """The shortest two-part code."""
    book, data = observer.book, observer.surprises
    best = int((book.bits + data).argmin())
    return Account(book.texts[best], float(book.bits[best]), float(data[best]))
