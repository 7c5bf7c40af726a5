"""What was expected of an answer beside what came of it, as EXPLAIN ANALYZE of a database has it."""

from __future__ import annotations

from msgspec import Struct

from pointsman.core.completion import Attempt


class Compared(Struct, frozen=True, kw_only=True):
    """One estimate."""

    estimate: str
    """What is estimated: "input" and "output" in tokens, "cost" in nano-USD, "latency" in ms."""
    expected: float
    actual: float

    @property
    def off_by(self) -> float:
        """By which factor it was off, either way: 1 is right.

        The q-error (Moerkotte et al., Preventing Bad Plans by Bounding the Impact of Cardinality Estimation Errors, 2009); less than one
        of a thing counts as one, so that nothing is infinitely wrong.
        """
        return max(self.expected, self.actual, 1.0) / max(min(self.expected, self.actual), 1.0)


def compared(attempt: Attempt) -> tuple[Compared, ...]:
    """Return the estimates of an attempt; none for one that did not answer, or of which nobody knows what it used."""
    expected, usage = attempt.expected, attempt.usage
    if expected is None or usage is None or attempt.error_type:
        return ()
    return (
        Compared(estimate="input", expected=expected.input_tokens, actual=usage.input_tokens),
        Compared(estimate="output", expected=expected.output_tokens, actual=usage.output_tokens),
        Compared(estimate="cost", expected=expected.cost, actual=usage.cost),
        Compared(estimate="latency", expected=expected.latency_ms, actual=attempt.latency_ms),
    )
