"""The decision: constraints, the first route that matches, candidates dropped with reasons, the kept ones in order, a plan.

    1 constraints   all that hold apply; each can only take models away
    2 routes        the first that matches
    3 drops         per candidate the first reason of DropReason that holds (`drops.py`)
    4 order         by the route's strategy (`strategy.py`)
    5 plan          chosen, the other kept ones in order, then the route's fallbacks in file order; no model twice, at most 4

Rules that this module keeps: it is pure, so (ruleset, facts, market) reproduce a decision bit for bit; a model in a plan has passed every
drop, but for the best effort of a route that says so; nothing here sets aside a constraint, a tag, a capability, a window or a budget.
Serving, explaining, rule tests and replay all call `decide`; there is no second way to choose. Routes in shadow are tried in the same way,
and what they come to is noted beside the decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct, structs

from pointsman.core.catalog import Catalog, Model
from pointsman.core.claim import within
from pointsman.core.decision import Candidate, Decision, Dropped, Shadowed
from pointsman.core.drops import Bar, Terms, barred, short_of, unfit
from pointsman.core.errors import NoEligibleModel, refusal
from pointsman.core.estimate import estimate
from pointsman.core.facts import Facts
from pointsman.core.market import Market
from pointsman.core.ruleset import Matched, Route, Ruleset
from pointsman.core.staying import cost_per_turn, warmest, with_switch_costs
from pointsman.core.strategy import best, ordered
from pointsman.core.vocabulary import DecisionReason, DropReason, OnEmpty

LONGEST_PLAN = 4
"""Models that one call may try: beyond that a caller has waited long enough."""

_SET_ASIDE = frozenset({DropReason.QUALITY, DropReason.LATENCY})
"""What a best effort may set aside, and nothing else."""

_PLAIN = frozenset({DecisionReason.RULE_MATCH, DecisionReason.DEFAULT})
"""Reasons that say less than that a conversation stays where its prefix is."""

_NO_MATCH = Matched((), -1, ())


class _Offer(Struct, frozen=True):
    """A model on offer: what to expect of it, and the first reason against it, if there is one."""

    model: Model
    candidate: Candidate | None
    """None where it is barred whatever it would take: most of a large catalog is, and an estimate costs more than all other checks."""
    dropped: Dropped | None


class _Trial(Struct, frozen=True, kw_only=True):
    """One route with its offers judged."""

    route: Route
    terms: Terms
    bar: Bar
    offers: list[_Offer]

    def speaks_against(self, offer: _Offer) -> set[DropReason]:
        """Return every reason against a candidate, not just the first."""
        reasons = {drop.reason for drop in barred(offer.model, self.terms)}
        if offer.candidate is None:
            return reasons
        return reasons | {drop.reason for drop in unfit(offer.model, offer.candidate, self.terms, self.bar)}


class _Choice(Struct, frozen=True, kw_only=True):
    """What a route comes to: the plan, and how it was arrived at."""

    plan: tuple[Candidate, ...]
    reason: DecisionReason


def decide(ruleset: Ruleset, facts: Facts, market: Market) -> Decision:
    """Return which model is to serve the request, and why. Raises NoEligibleModel, or the kind of it that says best why none may."""
    matched = ruleset.match(facts)
    terms = Terms.of(ruleset, facts, market, tuple([ruleset.constraints[i] for i in matched.constraints]))
    shadows = [_shadowed(ruleset.routes[index], terms) for index in matched.shadows]
    aside = tuple(_of_files(ruleset, terms)) if ruleset.shadows else ()
    dropped: dict[str, Dropped] = {}
    index = matched.route
    while True:
        trial = _try(ruleset.routes[index], terms)
        _note(trial.offers, dropped)
        choice = _choose(trial, dropped)
        if choice is not None:
            return _decision(trial, choice, dropped, (*shadows, *aside))
        behind = ruleset.next_match(facts, index) if trial.route.on_empty is OnEmpty.NEXT_RULE else _NO_MATCH
        shadows += [_shadowed(ruleset.routes[passed], terms) for passed in behind.shadows]
        if behind.route < 0:
            fired = tuple(constraint.ref.id for constraint in terms.constraints)
            raise refusal(trial.route.ref.id, tuple(dropped.values()), fired, (*shadows, *aside))
        index = behind.route


Outcome = Decision | NoEligibleModel


def outcome_of(ruleset: Ruleset, facts: Facts, market: Market) -> Outcome:
    """Return what `decide` returns or raises, for those to whom a refusal is a value like a decision."""
    try:
        return decide(ruleset, facts, market)
    except NoEligibleModel as refused:
        return refused


def _of_files(ruleset: Ruleset, terms: Terms) -> Iterator[Shadowed]:
    """Yield what each file in shadow would have decided, on from one of its routes to the next as they say."""
    for aside in ruleset.shadows:
        found = aside.match(terms.facts)
        narrowed = structs.replace(terms, constraints=(*terms.constraints, *(aside.constraints[i] for i in found.constraints)))
        shadowed = None
        while found.route >= 0 and (shadowed is None or not shadowed.model):
            route = aside.routes[found.route]
            shadowed = _shadowed(route, narrowed)
            found = aside.next_match(terms.facts, found.route) if route.on_empty is OnEmpty.NEXT_RULE else _NO_MATCH
        if shadowed is not None:
            yield shadowed


def _shadowed(route: Route, terms: Terms) -> Shadowed:
    choice = _choose(_try(route, terms), {})
    if choice is None:
        return Shadowed(rule=route.ref)
    chosen = choice.plan[0]
    return Shadowed(rule=route.ref, model=chosen.model, quality=chosen.quality, expected_cost=chosen.expected_cost)


def _try(route: Route, terms: Terms) -> _Trial:
    least = route.min_quality(terms.facts) if route.min_quality else 0.0
    bar = _bar(route, terms, least)
    return _Trial(route=route, terms=terms, bar=bar, offers=[_offer(terms, model, bar) for model in _on_offer(route, terms)])


def _bar(route: Route, terms: Terms, least: float = 0.0) -> Bar:
    asked, costs = terms.facts.request, [cost for cost in (terms.facts.request.max_cost, route.max_cost) if cost is not None]
    return Bar(quality=max(asked.accuracy, least), cost=min(costs, default=None))


def _on_offer(route: Route, terms: Terms) -> tuple[str, ...]:
    """Return the models to judge: what the caller asked for in place of the route's, whose others are then dropped as NOT_ASKED."""
    if terms.asked is None:
        return route.candidates
    return (*terms.asked, *(model for model in route.candidates if model not in terms.asked))


def _offer(terms: Terms, model_id: str, bar: Bar) -> _Offer:
    model = terms.ruleset.catalog.models[model_id]
    if (reason := next(barred(model, terms), None)) is not None:
        return _Offer(model, None, reason)
    candidate = estimate(model, terms.facts, terms.market.state(model_id), terms.ruleset.defaults)
    if bar.cost is not None:
        candidate = within(candidate, model.price, bar.cost)
    return _Offer(model, candidate, next(unfit(model, candidate, terms, bar), None))


def _note(offers: Iterable[_Offer], dropped: dict[str, Dropped]) -> None:
    """Bring `dropped` up to date: a later route may keep what an earlier one dropped, and the other way round."""
    for offer in offers:
        if offer.dropped is None:
            dropped.pop(offer.model.id, None)
        else:
            dropped[offer.model.id] = offer.dropped


def _kept(offers: Iterable[_Offer]) -> list[Candidate]:
    return [offer.candidate for offer in offers if offer.dropped is None and offer.candidate is not None]


def _choose(trial: _Trial, dropped: dict[str, Dropped]) -> _Choice | None:
    route = trial.route
    if kept := _kept(trial.offers):
        kept, stays = _in_order(kept, trial)
        reason = DecisionReason.STICKY if stays and _reason(trial) in _PLAIN else _reason(trial)
        return _Choice(plan=_plan(kept, _fitting_fallbacks(trial, dropped)), reason=reason)
    if route.on_empty is OnEmpty.FALLBACK and (fitting := _fitting_fallbacks(trial, dropped)):
        return _Choice(plan=_plan(fitting), reason=DecisionReason.ON_EMPTY_FALLBACK)
    if route.on_empty is OnEmpty.BEST_EFFORT and (able := _best_effort(trial)):
        return _Choice(plan=_plan(able, _fitting_fallbacks(trial, dropped)), reason=DecisionReason.BEST_EFFORT)
    return None


def _in_order(kept: list[Candidate], trial: _Trial) -> tuple[list[Candidate], bool]:
    """Return the candidates in order, and whether the first is so because a provider has the prefix of the conversation."""
    route, terms = trial.route, trial.terms
    if warmest(kept) is None:
        return ordered(kept, route, terms.facts), False
    catalog = terms.ruleset.catalog
    kept = with_switch_costs(kept, catalog)
    first, *others = ordered(kept, route, terms.facts, cost_per_turn(kept, catalog, terms.market))
    cold = ordered(kept, route, terms.facts, lambda candidate: _price(candidate, catalog))
    stays = first.switch_cost is None and cold[0].model != first.model
    return [first, *others], stays


def _price(candidate: Candidate, catalog: Catalog) -> int:
    """Return what a candidate would cost if no provider kept anything."""
    return catalog.models[candidate.model].price.cost(candidate.tokens.input, candidate.tokens.output)


def _fitting_fallbacks(trial: _Trial, dropped: dict[str, Dropped]) -> list[Candidate]:
    """Return the fallbacks that pass every drop. The route's own `min_quality` is not asked of them, the caller's accuracy is."""
    bar = _bar(trial.route, trial.terms)
    offers = [_offer(trial.terms, model, bar) for model in trial.route.fallbacks]
    _note(offers, dropped)
    return _kept(offers)


def _best_effort(trial: _Trial) -> list[Candidate]:
    """Return, as a list of at most one, the best of the candidates that nothing but quality and latency speaks against."""
    able = [offer.candidate for offer in trial.offers if offer.candidate is not None and trial.speaks_against(offer) <= _SET_ASIDE]
    return best(able)[:1]


def _plan(first: Iterable[Candidate], then: Iterable[Candidate] = ()) -> tuple[Candidate, ...]:
    by_model: dict[str, Candidate] = {}
    for candidate in (*first, *then):
        by_model.setdefault(candidate.model, candidate)
    return tuple(by_model.values())[:LONGEST_PLAN]


def _reason(trial: _Trial) -> DecisionReason:
    if trial.terms.market.windows and _is_degraded(trial):
        return DecisionReason.DEGRADED
    if trial.terms.asked is not None:
        return DecisionReason.CALLER_MODEL
    if trial.route.rollout is not None:
        return DecisionReason.ROLLOUT
    return DecisionReason.DEFAULT if trial.route.is_default else DecisionReason.RULE_MATCH


def _is_degraded(trial: _Trial) -> bool:
    """Return whether a candidate was dropped because of a window after whose exhaustion the cheapest tier goes on."""
    for offer in trial.offers:
        if offer.candidate is not None and offer.dropped is not None and offer.dropped.reason is DropReason.BUDGET:
            short = short_of(offer.model, offer.candidate, trial.terms)
            if short is not None and short.degrades:
                return True
    return False


def _decision(trial: _Trial, choice: _Choice, dropped: dict[str, Dropped], shadows: tuple[Shadowed, ...]) -> Decision:
    facts, chosen = trial.terms.facts, choice.plan[0]
    baseline_cost, baseline_model = _baseline(chosen, trial)
    planned = {candidate.model for candidate in choice.plan}
    return Decision(
        id=facts.request.id,
        chosen=chosen,
        fallbacks=choice.plan[1:],
        rule=trial.route.ref,
        revision=trial.terms.ruleset.revision,
        reason=choice.reason,
        features=facts.features,
        tokens=facts.tokens,
        dropped=tuple([drop for model, drop in dropped.items() if model not in planned]) if dropped else (),
        baseline_cost=baseline_cost,
        baseline_model=baseline_model,
        constraints=tuple([constraint.ref.id for constraint in trial.terms.constraints]),
        shadows=shadows,
    )


def _baseline(chosen: Candidate, trial: _Trial) -> tuple[int, str]:
    """Return what the chosen model's tokens cost at the prices of the dearest candidate that could have served, and that candidate.

    It could have served if it was kept, or if nothing but its cost speaks against it.
    """
    models, tokens = trial.terms.ruleset.catalog.models, chosen.tokens
    able = [offer.model for offer in trial.offers if _could_serve(offer, trial)]
    return max([(model.price.cost(tokens.input, tokens.output), model.id) for model in (models[chosen.model], *able)])


def _could_serve(offer: _Offer, trial: _Trial) -> bool:
    if offer.dropped is None:
        return True
    return offer.dropped.reason is DropReason.COST and trial.speaks_against(offer) == {DropReason.COST}
