"""Facts: everything that a rule may look at, each declared here once.

The classes are both the values of one call and the schema that rules are checked against: a field's type, range and sentence stand
beside its name, `T | None` makes it optional (rules must guard it with `has()`), and `Recorded` marks what selection and replay need but
rules may not read. A fact that rules can read is `group.field`, as in `features.complexity`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Annotated, Literal, get_args, get_origin, get_type_hints

from msgspec import Struct

from pointsman.core.expr.types import BOOL, DOUBLE, INT, STRING, Type
from pointsman.core.textclass import TextClass
from pointsman.core.vocabulary import Subject, Task, TokenCountMethod


@dataclass(frozen=True, slots=True)
class About:
    """What there is to know of a fact beside its type."""

    says: str
    low: float | None = None
    high: float | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Recorded:
    """Marks a field that is no fact for rules: it is recorded, so that a decision can be replayed."""

    says: str


class RequestFacts(Struct, frozen=True, kw_only=True):
    """What the caller asked for."""

    tenant: Annotated[str, About("who calls, from the credential; `default` where there are no tenants")]
    user: Annotated[str | None, About("the end user, as the caller names him")] = None
    session: Annotated[str | None, About("the conversation, as the caller names it")] = None
    model: Annotated[str, About("alias or id that the caller asked for; empty for any")] = ""
    accuracy: Annotated[float, About("required probability that the answer is right; `defaults.accuracy` where the caller is silent", 0, 1)]
    max_total_tokens: Annotated[int | None, About("most tokens, input and output", 1, None, "tokens")] = None
    max_cost_usd: Annotated[float | None, About("most that the request may cost", 0, None, "USD")] = None
    max_latency_ms: Annotated[float | None, About("time to the whole answer", 0, None, "ms")] = None
    max_ttft_ms: Annotated[float | None, About("time to the first token", 0, None, "ms")] = None
    stream: Annotated[bool, About("the answer is wanted as it comes")] = False
    needs_tools: Annotated[bool, About("the model must be able to call tools")] = False
    needs_json: Annotated[bool, About("the model must be able to answer in JSON")] = False
    needs_vision: Annotated[bool, About("the model must be able to see pictures")] = False
    labels: Annotated[Mapping[str, str], About("the caller's label of that name")] = {}
    id: Annotated[str, Recorded("id of the decision; where a share is drawn and nothing is sticky, it decides")] = ""
    max_cost: Annotated[int | None, Recorded("`max_cost_usd` in nano-USD, as money is compared")] = None
    tags: Annotated[frozenset[str], Recorded("tags that a model must have")] = frozenset()


class FeatureFacts(Struct, frozen=True, kw_only=True):
    """What the prompt looks like: system text and the last turn of the user."""

    complexity: Annotated[float, About("predicted probability that a small model (7-9B) fails", 0, 1)]
    gain: Annotated[float, About("predicted quality of a strong model minus that of a small one", 0, 1)]
    confidence: Annotated[float, About("how far to trust the two", 0, 1)]
    task: Annotated[Task, About("kind of task: the caller's label `task`, else what was learned")] = "unknown"
    subject: Annotated[Subject, About("what the prompt is about: the caller's label `subject`, else what was learned")] = "unknown"
    turns: Annotated[int, About("messages of the user and the model", 0, None, "messages")] = 1
    has_code: Annotated[bool, About("the prompt holds program text")] = False
    language: Annotated[str, About("BCP 47 primary tag, or `unknown`")] = "unknown"
    discrimination: Annotated[float, Recorded("how sharply this prompt tells able models from others; 1 is average")] = 1.0
    text_class: Annotated[TextClass, Recorded("picks the factors of tokenisers that are not at hand")] = "english"


class TokenFacts(Struct, frozen=True, kw_only=True):
    """How long everything that will be sent is, and how long the answer may be, by the reference tokeniser."""

    input: Annotated[int, About("length of everything that will be sent", 0, None, "tokens")]
    output: Annotated[int, About("predicted median of the answer", 0, None, "tokens")]
    output_p90: Annotated[int, About("predicted 90th percentile of the answer", 0, None, "tokens")]
    output_max: Annotated[int | None, About("most output that the caller asked for", 1, None, "tokens")] = None
    total: Annotated[int, About("input and the 90th percentile of the answer, or `output_max` where that is smaller", 0, None, "tokens")]
    method: Annotated[TokenCountMethod, Recorded("how the input was counted")] = TokenCountMethod.EXACT


class TenantFacts(Struct, frozen=True, kw_only=True):
    """What `tenants.yaml` says of the caller."""

    tier: Annotated[str, About("tier of the tenant; empty where none is set")] = ""
    labels: Annotated[Mapping[str, str], About("the tenant's label of that name")] = {}
    requests_per_minute: Annotated[int | None, About("limit of the tenant; absent without one", 1, None, "requests")] = None
    max_in_flight: Annotated[int | None, About("limit of the tenant; absent without one", 1, None, "calls")] = None


class BudgetFacts(Struct, frozen=True, kw_only=True):
    """The tenant's tightest window. Without windows nothing is spent and everything goes at an even pace."""

    spend_ratio: Annotated[float, About("spent share of the window", 0)] = 0.0
    pace: Annotated[float, About("spent share over elapsed share of the window; above 1 the budget will not last", 0)] = 1.0
    tokens_left: Annotated[int | None, About("tokens left; absent without such a window", 0, None, "tokens")] = None
    usd_left: Annotated[float | None, About("dollars left; absent without such a window", 0, None, "USD")] = None


class TimeFacts(Struct, frozen=True, kw_only=True):
    """When the call came, in UTC. Facts, so that decisions can be replayed."""

    hour: Annotated[int, About("hour of the day", 0, 23)]
    weekday: Annotated[int, About("1 is Monday", 1, 7)]
    date: Annotated[str, About("ISO date, as in 2026-12-31")]


class Facts(Struct, frozen=True, kw_only=True):
    """All facts of one call."""

    request: RequestFacts
    features: FeatureFacts
    tokens: TokenFacts
    tenant: TenantFacts = TenantFacts()
    budget: BudgetFacts = BudgetFacts()
    time: TimeFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class FactSpec:
    """A fact as the checker of expressions and the documentation see it."""

    name: str
    type: Type
    about: About
    optional: bool = False
    choices: tuple[str, ...] = ()
    """The values of an enum; empty for other types."""

    @property
    def range(self) -> str:
        """The range for people: "0..1", "from 0", or empty."""
        low, high = self.about.low, self.about.high
        if low is not None and high is not None:
            return f"{low:g}..{high:g}"
        return "" if low is None else f"from {low:g}"


def _specs() -> Iterator[FactSpec]:
    for group, group_type in get_type_hints(Facts).items():
        for field, hint in get_type_hints(group_type, include_extras=True).items():
            declared, about = get_args(hint)
            if isinstance(about, About) and get_origin(declared) is not Mapping:
                yield _spec(f"{group}.{field}", declared, about)


def _spec(name: str, declared: object, about: About) -> FactSpec:
    inner = [arg for arg in get_args(declared) if arg is not NoneType]
    optional = len(inner) < len(get_args(declared))
    if get_origin(declared) is Literal:
        return FactSpec(name=name, type=STRING, about=about, choices=get_args(declared))
    plain = inner[0] if optional else declared
    types: dict[object, Type] = {str: STRING, int: INT, float: DOUBLE, bool: BOOL}
    return FactSpec(name=name, type=types[plain], about=about, optional=optional)


FACTS: Mapping[str, FactSpec] = {spec.name: spec for spec in _specs()}
"""Every fact that rules may read, by name, in the order of declaration. Labels are in LABELS."""

LABELS: Mapping[str, About] = {
    "request.labels": About("the caller's label of that name"),
    "tenant.labels": About("the tenant's label of that name"),
}
"""Facts with a free last part, all optional strings: `request.labels.KEY` or `request.labels["KEY"]`."""


def group_of(fact: str) -> str:
    """Return the name without what comes behind its second part: that of all labels for one of them, whose key may have dots."""
    return ".".join(fact.split(".")[:2])


def value_of(facts: Facts, name: str) -> object:
    """Return the value of a fact by its name, None where an optional one is absent. `name` must be known."""
    group, _, rest = name.partition(".")
    if rest.startswith("labels."):
        return getattr(facts, group).labels.get(rest.removeprefix("labels."))
    return getattr(getattr(facts, group), rest)


def everything(facts: Facts) -> dict[str, object]:
    """Return every fact that is present, by its full name, labels included."""
    values = {name: value for name in FACTS if (value := value_of(facts, name)) is not None}
    for group in LABELS:
        labels = getattr(getattr(facts, group.partition(".")[0]), "labels")  # noqa: B009  # named by the table above
        values |= {f"{group}.{key}": value for key, value in labels.items()}
    return values
