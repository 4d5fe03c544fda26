"""For those who go through all classes that there are."""

import pytest

from plasticity.config import plugins

from .ours import own


@pytest.fixture
def nobody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Classes of other tests are not there, whichever came first."""
    family = plugins._family
    monkeypatch.setattr(plugins, "_family", lambda base: filter(own, family(base)))
