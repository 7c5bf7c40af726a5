"""What selection needs beside facts and what changes while running: taken once per call, frozen, recorded with the decision."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, structs

from pointsman.core.lengths import Ratio
from pointsman.core.textclass import TextClass
from pointsman.core.tokenisers import Factor


class ModelState(Struct, frozen=True, kw_only=True):
    """The state of one model now. None where the catalog's prior stands."""

    has_credential: bool = True
    healthy: bool = True
    has_room: bool = True
    """Takes one more call."""
    note: str = ""
    """Why it is not healthy or has no room, for people."""
    ttft_ms: float | None = None
    tokens_per_s: float | None = None
    answers: Mapping[str, Ratio] = {}
    """How long its answers are, as ratios to what is usual, by task and half of a task; under "" for the other tasks. Empty: as usual."""
    counts: Mapping[TextClass, Factor] = {}
    """How it counts, by class of text, where that is not as the catalog's tokeniser says."""
    warm_prefix_tokens: int = 0
    """Input tokens that the provider's prompt cache is expected to hold for this conversation."""
    writes_prefix: bool = False
    """Whether what is not read from the provider's prompt cache is written to it, at the price of that."""
    share_of_turns: float = 1.0
    """0..1: of this conversation's turns those that it could have served."""
    quality: float | None = None
    """Fixes what the estimator would say; for rule tests, which must not break when the estimator learns."""


AS_CATALOGED = ModelState()


class WindowLeft(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a window of the tenant has left."""

    kind: str
    """ "tokens", "usd" (nano-USD) or "requests"."""
    left: int
    tier: str = ""
    """Only models of this tier are bound by it; empty for all."""
    degrades: bool = False
    """Models of the cheapest tier are not bound by it."""


class Market(Struct, frozen=True, kw_only=True):
    """The state of the world for one decision."""

    models: Mapping[str, ModelState] = {}
    """By id; a model that is not here is as the catalog says, and able."""
    time_left_ms: float | None = None
    """Until the deadline of the call; None where the decision is not for a call of now."""
    tokens_left: int | None = None
    """In the tightest window of the tenant that counts the tokens of every model alike; None without one."""
    cost_left: int | None = None
    """Nano-USD, in the same way."""
    windows: tuple[WindowLeft, ...] = ()
    """The other windows that bind the tenant: those of one tier, of requests, and those that degrade."""
    turns_left: float = 0.0
    """That are expected of this conversation; it matters where a provider has its prefix."""
    turn_gap_s: float = 0.0
    """Since its last turn."""

    def state(self, model: str) -> ModelState:
        """Return the state of a model."""
        return self.models.get(model, AS_CATALOGED)

    def roomy(self) -> Market:
        """Return it as it would be if every model had room: for what is called later."""
        return structs.replace(self, models={name: structs.replace(state, has_room=True) for name, state in self.models.items()})

    def untroubled(self) -> Market:
        """Return it as it would be if every model were well and had room, and no budget bound: what may be answered without a model."""
        models = {name: structs.replace(state, healthy=True, has_room=True, note="") for name, state in self.models.items()}
        return structs.replace(self, models=models, tokens_left=None, cost_left=None, windows=())
