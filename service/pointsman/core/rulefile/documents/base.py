"""What all documents have in common: scalars of rule files, and no unknown keys."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt, StrictStr

IDENTIFIER = r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$"
NAME = r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"

MOST_USD = 1_000_000_000
"""Greatest amount in a rule file: what is computed from it still fits into a double."""


def _number(value: object) -> object:
    """Return a number as a float; the YAML reader gives those with a point as Decimal (prices are read from their text)."""
    if isinstance(value, bool | str):
        raise ValueError("a number is expected")  # noqa: TRY004  # pydantic turns this one into a problem
    return float(value) if isinstance(value, Decimal) else value


Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Share = Annotated[Number, Field(ge=0, le=1)]
Positive = Annotated[Number, Field(gt=0)]
Identifier = Annotated[StrictStr, Field(pattern=IDENTIFIER)]
Name = Annotated[StrictStr, Field(pattern=NAME)]
Text = StrictStr
Version = Annotated[Literal[1], Field(description="Version of the format: 1.")]
DATE = r"^\d{4}-\d\d-\d\d$"
SPAN = r"^\d{1,9}(ms|s|m|h|d)$"
STICKY = r"^request\.(session|user|tenant|labels\.[A-Za-z0-9._/-]{1,63})$"
DIGEST = r"^[0-9a-f]{64}$"
SPIFFE = r"^spiffe://[a-z0-9._-]+(/[A-Za-z0-9._-]+)*(/\*)?$"
LABEL = r"^[A-Za-z0-9._/-]{1,63}$"
EXAMPLES = {
    DIGEST: "give the digest, 64 lower-case hexadecimal digits, as `pointsman keys new` prints it; a key itself must not stand in a file",
    SPIFFE: "write it as spiffe://corp/ns/search/sa/default, or spiffe://corp/ns/search/* for every id below",
    LABEL: "write a label's key with letters, digits and . _ / -, at most 63",
    DATE: "write a date as 2027-01-31",
    SPAN: "write a span of time as 800ms, 30s, 10m, 1h or 1d",
    STICKY: "one of request.session, request.user, request.tenant, request.labels.KEY",
}
"""What to write, by pattern: people do not read patterns."""

SECRET = frozenset({DIGEST})
"""Patterns of what people may put a secret in place of: what does not match is not repeated."""

Label = Annotated[StrictStr, Field(pattern=LABEL)]
Date = Annotated[StrictStr, Field(pattern=DATE)]
Span = Annotated[StrictStr, Field(pattern=SPAN)]
Condition = Annotated[
    Text | StrictBool | StrictInt | Decimal, Field(description="A condition in the CEL subset, for example: features.complexity > 0.7")
]


class Document(BaseModel):
    """What all parts of rule files have in common: no unknown keys, nothing changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)
