"""From a request to a decision: reads the prompt, gathers the facts, asks what the tenant may spend, and calls `decide`."""

from __future__ import annotations

from msgspec import Struct, structs

from pointsman.affinity import Affinity, Known
from pointsman.call import Call
from pointsman.core.account import Situation
from pointsman.core.decide import Outcome, outcome_of
from pointsman.core.decision import Decision, Explanation
from pointsman.core.diagnostics import did_you_mean
from pointsman.core.errors import NoEligibleModel, UnknownModel, Violation
from pointsman.core.explain import explain
from pointsman.core.gather import UNBOUNDED, gather
from pointsman.core.market import Market
from pointsman.core.relief import reliefs, relieved
from pointsman.core.request import Request
from pointsman.core.ruleset import Ruleset
from pointsman.core.standing import Standing
from pointsman.core.vocabulary import DropReason
from pointsman.ports import Clock
from pointsman.reader import Reader
from pointsman.recent import Recent
from pointsman.spending import Spending
from pointsman.telemetry import Decided

_PASSING = frozenset({DropReason.UNHEALTHY.name, DropReason.CAPACITY.name, DropReason.BUDGET.name})
"""Why a model may not be called now, though nothing speaks against what it has answered before."""


class Made(Struct, frozen=True, kw_only=True):
    """A decision or a refusal, with what it was made from."""

    situation: Situation
    standing: Standing | None
    outcome: Outcome
    explanation: Explanation | None = None

    def decision(self) -> Decision:
        """Return the decision. Raises the refusal, which says what would help."""
        outcome, situation = self.outcome, self.situation
        if isinstance(outcome, NoEligibleModel):
            outcome.explanation = self.explanation
            if DropReason.CAPACITY.name not in outcome.counts:  # else waiting helps, and many may be waiting and look again and again
                relieved(outcome, reliefs(situation.ruleset, situation.facts, situation.market, outcome, self.standing))
            raise outcome
        return structs.replace(outcome, explanation=self.explanation) if self.explanation is not None else outcome


class Decider:
    """Makes decisions, and keeps the last ones in mind."""

    def __init__(self, *, reader: Reader, affinity: Affinity, spending: Spending | None, clock: Clock, recent: Recent) -> None:
        self._recent = recent
        self._reader = reader
        self._affinity = affinity
        self._spending = spending
        self._clock = clock

    async def decide(
        self, ruleset: Ruleset, request: Request, call: Call, market: Market, known: Known | None, *, explained: bool, stream: bool = False
    ) -> Made:
        """Return the decision or refusal of a call. What its tenant may spend is yet to come to the market. Raises UnknownModel."""
        began_s, asked = self._clock.monotonic(), request.requirements.model
        check_model(ruleset, asked)
        reading = await self._reader.read(request.prompt)
        if known is not None:
            market = self._affinity.market(market, ruleset.catalog, known, reading.input_tokens)
        now, defaults, budget, standing = self._clock.now(), ruleset.defaults, UNBOUNDED, None
        if call.tenant.windows and self._spending is not None:
            standing, market, budget = await self._spending.bound(call.tenant, market)
        facts = gather(request, reading, defaults=defaults, now=now, request_id=call.id, tenant=call.tenant, stream=stream, budget=budget)
        outcome = outcome_of(ruleset, facts, market)
        situation = Situation(ruleset=ruleset, facts=facts, market=market)
        self._recent.note(situation, outcome)
        if known is not None and isinstance(outcome, Decision):
            outcome = structs.replace(outcome, prefix_key=known.conversation.key)
        call.hear(Decided(began_s=began_s, ended_s=self._clock.monotonic(), situation=situation, outcome=outcome, asked=asked))
        explanation = explain(ruleset, facts, outcome) if explained else None
        return Made(situation=situation, standing=standing, outcome=outcome, explanation=explanation)

    def untroubled(self, made: Made) -> Decision | None:
        """Return the decision if models were well and no budget bound, for an answer that needs no model; None if that would not help.

        All else binds as it does: constraints, tags, capabilities, limits, quality.
        """
        if isinstance(made.outcome, NoEligibleModel) and not _PASSING & made.outcome.counts.keys():
            return None
        situation = _well(made.situation)
        outcome = outcome_of(situation.ruleset, situation.facts, situation.market)
        return None if isinstance(outcome, NoEligibleModel) else outcome

    def takes(self, made: Made, decision: Decision, call: Call, asked: str, *, began_s: float) -> Decision:
        """Note that the call goes by this decision of `untroubled`, and return it as the caller is to see it."""
        situation = _well(made.situation)
        self._recent.note(situation, decision)
        call.hear(Decided(began_s=began_s, ended_s=self._clock.monotonic(), situation=situation, outcome=decision, asked=asked))
        explanation = explain(situation.ruleset, situation.facts, decision) if made.explanation is not None else None
        return structs.replace(decision, explanation=explanation)


def _well(situation: Situation) -> Situation:
    return structs.replace(situation, market=situation.market.untroubled())


def check_model(ruleset: Ruleset, name: str) -> None:
    """Raise UnknownModel if a caller asks by a name that is none of a model or an alias."""
    catalog = ruleset.catalog
    if name and not catalog.named(name):
        help_ = did_you_mean(name[:80], (*catalog.models, *catalog.aliases))  # the search takes time by the length
        raise UnknownModel(Violation(field="request.requirements.model", message=f"there is no model or alias '{name[:80]}'; {help_}"))
