"""The decision once more, as slow and obvious as section 4 of the design, and written without a look at `decide`: its judge.

Nothing is remembered, compiled or skipped: every reason against every model is found each time, money is a fraction until it is rounded
up, and routes are put in order here again. Only single conditions, bars, the quality curve, the tokenisers' table and the keyed draws
are the core's: what a draw is made on, when it is asked and what follows is decided here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from fractions import Fraction
from math import ceil, exp, log

from msgspec import structs

from pointsman.core.catalog import Model
from pointsman.core.facts import Facts
from pointsman.core.market import Market
from pointsman.core.quality import quality
from pointsman.core.rollout import Rollout, rank
from pointsman.core.ruleset import Condition, Route, Ruleset
from pointsman.core.tokenisers import Factor, factor
from pointsman.core.vocabulary import DecisionReason, DropReason, OnEmpty, Strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """What a decision must say of a rule in shadow: `model` is empty where it would have kept none."""

    rule: str
    model: str = ""
    cost: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What a decision must say."""

    rule: str
    reason: DecisionReason
    plan: tuple[str, ...]
    dropped: dict[str, DropReason]
    costs: tuple[int, ...]
    """Expected of each model of the plan."""
    baseline_cost: int
    baseline_models: frozenset[str]
    """All that are dearest: the design does not say which of equals gives its name."""
    shadows: tuple[Shadow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """What a refusal must say: its class, the last rule that was tried, and how many models were dropped for which reason."""

    kind: str
    rule: str
    counts: dict[str, int]
    shadows: tuple[Shadow, ...] = ()


@dataclass(slots=True)
class Walk:
    """The way through the routes of one set of rules."""

    tried: list[Route] = field(default_factory=list)
    served: Served | None = None
    shadows: list[Shadow] = field(default_factory=list)
    """Of the shadow routes that were passed."""
    last_word: dict[str, DropReason | None] = field(default_factory=dict)
    """By model: the first reason against it when it was last judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Oracle:
    """One request in one state of the world under one set of rules."""

    ruleset: Ruleset
    facts: Facts
    market: Market

    def answer(self) -> Served | Refused:
        """Return what must come out."""
        walk = self.walk()
        shadows = (*walk.shadows, *self.of_files())
        if walk.served is not None:
            return replace(walk.served, shadows=shadows)
        drops = [reason for reason in walk.last_word.values() if reason is not None]
        return replace(refused(walk.tried[-1].ref.id, drops), shadows=shadows)

    def walk(self) -> Walk:
        """Return the way through the routes: to the first that takes the request, and on from it as it says."""
        walk = Walk()
        for route in sorted(self.ruleset.routes, key=lambda route: (-route.priority, route.ref.file, route.ref.line)):
            if not self.takes(route):
                continue
            if route.shadow:
                walk.shadows.append(shadow(route, self.served_by(route, {})))
                continue
            walk.tried.append(route)
            walk.served = self.served_by(route, walk.last_word)
            if walk.served is not None or route.on_empty is not OnEmpty.NEXT_RULE:
                break
        return walk

    def of_files(self) -> Iterator[Shadow]:
        """Yield what each file in shadow would have decided, under the constraints that apply as well as its own."""
        for aside in self.ruleset.shadows:
            ruleset = replace(aside, constraints=(*self.ruleset.constraints, *aside.constraints))
            walk = replace(self, ruleset=ruleset).walk()
            if walk.tried:
                yield shadow(walk.tried[-1], walk.served)

    def takes(self, route: Route) -> bool:
        """Return whether a route's conditions hold, its last day is not over and the request is in its share."""
        return self.all_hold(route.conditions) and not self.is_over(route) and self.is_in(route.rollout)

    def is_over(self, route: Route) -> bool:
        return route.expires is not None and date.fromisoformat(self.facts.time.date) > date.fromisoformat(route.expires)

    def is_in(self, share: Rollout | None) -> bool:
        return share is None or self.bucket(share) < share.below

    def bucket(self, share: Rollout) -> int:
        """Return the bucket of what is sticky, drawn as if it were the id of a request where nothing is."""
        stuck = structs.replace(self.facts, request=structs.replace(self.facts.request, id=self.sticky(share.by)))
        return Rollout(seed=share.seed, by=None, below=0).bucket(stuck)

    def sticky(self, by: str | None) -> str:
        """Return what is drawn on: the value of a fact if there is one, or else the decision's id."""
        request = self.facts.request
        label = (by or "").removeprefix("request.labels.")
        found = {"request.session": request.session, "request.user": request.user, "request.tenant": request.tenant}
        value = found[by] if by in found else request.labels.get(label)
        return request.id if value is None else value

    def served_by(self, route: Route, last_word: dict[str, DropReason | None]) -> Served | None:
        """Return what the route comes to, or None if it cannot serve."""
        least = route.min_quality(self.facts) if route.min_quality is not None else 0.0
        offered = [*self.asked(), *(model for model in route.candidates if model not in self.asked())]
        against = {model: self.against(model, max(least, self.facts.request.accuracy), route) for model in offered}
        last_word |= {model: reasons[0] if reasons else None for model, reasons in against.items()}
        keeps = [model for model in offered if not against[model]]
        home = max(keeps, key=self.warm, default="")
        kept = self.in_order(keeps, route, home)
        first, reason = kept, DecisionReason.RULE_MATCH if route.conditions else DecisionReason.DEFAULT
        if kept and self.warm(home) and kept[0] == home != self.with_nothing_kept(keeps, route):
            reason = DecisionReason.STICKY
        if route.rollout is not None:
            reason = DecisionReason.ROLLOUT
        if self.facts.request.model:
            reason = DecisionReason.CALLER_MODEL
        if not kept and route.on_empty is OnEmpty.BEST_EFFORT:
            nearly = [model for model in offered if all(why in {DropReason.QUALITY, DropReason.LATENCY} for why in against[model])]
            first, reason = self.best(nearly)[:1], DecisionReason.BEST_EFFORT
        if not kept and route.on_empty is OnEmpty.FALLBACK:
            reason = DecisionReason.ON_EMPTY_FALLBACK
        elif not first:
            return None
        plan = (first + self.fitting(route, last_word, besides=first))[:4]
        if not plan:
            return None
        could_have_served = [plan[0], *kept, *(model for model in offered if against[model] == [DropReason.COST])]
        costs = {model: self.cost_at(model, of=plan[0]) for model in could_have_served}
        return Served(
            rule=route.ref.id,
            reason=reason,
            plan=tuple(plan),
            dropped={model: why for model, why in last_word.items() if why is not None and model not in plan},
            costs=tuple(self.cost(model) for model in plan),
            baseline_cost=max(costs.values()),
            baseline_models=frozenset(model for model, cost in costs.items() if cost == max(costs.values())),
        )

    def fitting(self, route: Route, last_word: dict[str, DropReason | None], *, besides: list[str]) -> list[str]:
        """Return the fallbacks that pass every drop but the route's own bar."""
        found = []
        for model in route.fallbacks:
            if model not in besides:
                against = self.against(model, self.facts.request.accuracy, route)
                last_word[model] = against[0] if against else None
                found += [] if against else [model]
        return found

    def asked(self) -> tuple[str, ...]:
        name, catalog = self.facts.request.model, self.ruleset.catalog
        return (name,) if name in catalog.models else catalog.aliases.get(name, ())

    def all_hold(self, conditions: tuple[Condition, ...]) -> bool:
        return all(self.holds(condition) for condition in conditions)

    def holds(self, condition: Condition) -> bool:
        """Return whether a condition holds; a group is judged by its parts, one after the other."""
        if not condition.items:
            return condition.holds(self.facts)
        if condition.joined_by == "all":
            return self.all_hold(condition.items)
        one_holds = any(self.holds(item) for item in condition.items)
        return one_holds if condition.joined_by == "any" else not one_holds

    def in_order(self, models: list[str], route: Route, home: str) -> list[str]:
        """Return models in the order of a route's strategy; equals stay as they were offered. `home` is where the conversation is."""

        def cost(model: str) -> float:
            return self.per_turn(model, home) if self.warm(home) else self.cost(model)

        if route.strategy is Strategy.CHEAPEST:
            return sorted(models, key=lambda model: (cost(model), -self.quality(model)))
        if route.strategy is Strategy.FASTEST:
            return sorted(models, key=lambda model: (self.latency_ms(model), cost(model)))
        if route.strategy is Strategy.BALANCED:
            return sorted(models, key=lambda model: (-(self.quality(model) * route.value - cost(model)), cost(model)))
        if route.strategy is Strategy.WEIGHTED:
            value = self.sticky(route.by)
            return sorted(models, key=lambda model: rank(route.ref.id, value, model, route.weights.get(model, 0.0)))
        return sorted(models, key=lambda model: (-self.quality(model), cost(model)))

    def best(self, models: list[str]) -> list[str]:
        return sorted(models, key=lambda model: (-self.quality(model), self.cost(model)))

    def warm(self, name: str) -> int:
        return min(self.market.state(name).warm_prefix_tokens, self.input(name)) if name else 0

    def with_nothing_kept(self, models: list[str], route: Route) -> str:
        """Return the model that would come first if no provider kept a prompt, and none were paid for keeping it."""
        forgotten = {name: structs.replace(state, warm_prefix_tokens=0, writes_prefix=False) for name, state in self.market.models.items()}
        return replace(self, market=structs.replace(self.market, models=forgotten)).in_order(models, route, "")[0]

    def per_turn(self, model: str, home: str) -> float:
        """Return the mean cost of this turn and those expected after it, of which some may have to go back home."""
        left, share = self.market.turns_left, 1.0 if model == home else self.market.state(model).share_of_turns
        later = share * self.next_turn(model, home) + (1 - share) * self.going_back(home, share)
        return (self.cost(model) + left * later) / (1 + left)

    def next_turn(self, model: str, home: str) -> int:
        """Return the cost of a turn of which the provider has all but what is as new as in this one."""
        new = max(0, self.input(model) - round(self.warm(home) / max(1, self.input(home)) * self.input(model)))
        return self.cost_at(model, of=model, warm=self.input(model) - new)

    def going_back(self, home: str, share: float) -> int:
        cache = self.model(home).prompt_cache
        is_kept = share < 1 and cache is not None and self.market.turn_gap_s / (1 - share) <= cache.ttl_s
        return self.next_turn(home, home) if is_kept else self.cost_at(home, of=home, warm=0)

    def model(self, name: str) -> Model:
        return self.ruleset.catalog.models[name]

    def input(self, name: str) -> int:
        return ceil(self.facts.tokens.input * self.counts(name).middle) + self.counts(name).frame

    def bound(self, name: str) -> int:
        return ceil(self.facts.tokens.input * self.counts(name).bound) + self.counts(name).frame

    def counts(self, name: str) -> Factor:
        """Return what was measured of a model's counting, else what its family does."""
        kind = self.facts.features.text_class
        measured = self.market.state(name).counts
        return measured[kind] if kind in measured else factor(self.model(name).tokenizer, kind)

    def output(self, name: str) -> int:
        asked = self.facts.tokens.output_max or self.ruleset.defaults.max_output
        measured, features = self.market.state(name).answers, self.facts.features
        nearest = (f"{features.task}, {'hard' if features.complexity > 0.5 else 'easy'}", features.task, "")
        usual = expected = self.facts.tokens.output
        if measured:
            ratio = next(measured[kind] for kind in nearest if kind in measured)
            rise = ratio.by_complexity * (features.complexity - ratio.complexity)
            rise += ratio.by_prompt * (log(max(self.facts.tokens.input, 1)) - ratio.log_prompt)
            expected = ceil(usual * Fraction(ratio.median) * Fraction(exp(max(-1.0, min(1.0, rise)))))
        return min(limit for limit in (expected, self.model(name).max_output, asked) if limit is not None)

    def needed(self, name: str) -> int:
        return self.bound(name) + max(1, self.output(name))

    def cost(self, name: str) -> int:
        return self.cost_at(name, of=name, warm=self.warm(name))

    def cost_at(self, priced: str, *, of: str, warm: int | None = None) -> int:
        """Return what the tokens of one model cost at the prices of another, or of itself; without `warm` no provider keeps anything."""
        price, writes = self.model(priced).price, warm is not None and self.market.state(of).writes_prefix
        cold, cached = self.input(of) - (warm or 0), warm or 0
        sum_ = cold * (price.cache_write if writes else price.input) + cached * price.cached_input + self.output(of) * price.output
        return ceil(Fraction(sum_, 1_000_000))

    def least_cost(self, name: str) -> int:
        """Return what one token of output may cost with the input at its longest and dearest."""
        price = self.model(name).price
        dearest = max(price.input, price.cached_input, price.cache_write)
        return ceil(Fraction(self.bound(name) * dearest + price.output, 1_000_000))

    def quality(self, name: str) -> float:
        features, ability, fixed = self.facts.features, self.model(name).ability, self.market.state(name).quality
        share = ability[features.task] if features.task in ability else ability["default"]
        return quality(share, features.complexity, features.discrimination) if fixed is None else fixed

    def ttft_ms(self, name: str) -> float:
        measured = self.market.state(name).ttft_ms
        return self.model(name).ttft_ms if measured is None else measured

    def latency_ms(self, name: str) -> float:
        measured = self.market.state(name).tokens_per_s
        return self.ttft_ms(name) + self.output(name) * 1000.0 / (self.model(name).tokens_per_s if measured is None else measured)

    def against(self, name: str, bar: float, route: Route) -> list[DropReason]:
        """Return everything that speaks against a model, in the order of the contract."""
        model, state, asks, market = self.model(name), self.market.state(name), self.facts.request, self.market
        constraints = [constraint for constraint in self.ruleset.constraints if self.all_hold(constraint.conditions)]
        needs = {"tools": asks.needs_tools, "json": asks.needs_json, "vision": asks.needs_vision}
        latency, ttft, spends = self.latency_ms(name), self.ttft_ms(name), self.bound(name) + self.output(name)
        speaks = {
            DropReason.CONSTRAINT: any(name not in constraint.permitted for constraint in constraints),
            DropReason.NOT_ASKED: bool(asks.model) and name not in self.asked(),
            DropReason.TAGS: any(tag not in model.tags for tag in asks.tags),
            DropReason.CAPABILITY: any(needed and what not in model.capabilities for what, needed in needs.items()),
            DropReason.NO_CREDENTIAL: not state.has_credential,
            DropReason.CONTEXT_WINDOW: self.needed(name) > model.context_window,
            DropReason.TOKEN_BUDGET: above(self.needed(name), asks.max_total_tokens),
            DropReason.BUDGET: above(spends, market.tokens_left) or above(self.cost(name), market.cost_left),
            DropReason.COST: any(above(max(self.cost(name), self.least_cost(name)), limit) for limit in (asks.max_cost, route.max_cost)),
            DropReason.QUALITY: self.quality(name) < bar,
            DropReason.LATENCY: above(latency, asks.max_latency_ms) or above(ttft, asks.max_ttft_ms) or above(latency, market.time_left_ms),
            DropReason.UNHEALTHY: not state.healthy,
            DropReason.CAPACITY: not state.has_room,
        }
        return [reason for reason in DropReason if speaks.get(reason)]


def shadow(route: Route, served: Served | None) -> Shadow:
    """Return what is said of a route in shadow."""
    return Shadow(rule=route.ref.id) if served is None else Shadow(rule=route.ref.id, model=served.plan[0], cost=served.costs[0])


def above(takes: float, limit: float | None) -> bool:
    return limit is not None and takes > limit


def refused(rule: str, drops: list[DropReason]) -> Refused:
    """Return the refusal that says best why nothing was left; that the caller named other models, or a key is not set, does not count."""
    reasons = {reason for reason in drops if reason not in {DropReason.NOT_ASKED, DropReason.NO_CREDENTIAL}}
    kinds = {
        "ConstrainedOut": {DropReason.CONSTRAINT},
        "ContextTooLong": {DropReason.CONTEXT_WINDOW},
        "BudgetExhausted": {DropReason.BUDGET},
        "AllUnavailable": {DropReason.UNHEALTHY, DropReason.CAPACITY},
    }
    kind = next((kind for kind, only in kinds.items() if reasons and reasons <= only), "NoEligibleModel")
    return Refused(kind=kind, rule=rule, counts=dict(Counter(reason.name for reason in drops)))
