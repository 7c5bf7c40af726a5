"""The model card: what the artifact was learned from, what it reaches, and what it cannot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pointsman.learn.report import Report, table_text
from pointsman.learn.rows import Row, source_of

LICENCES = {
    "routellm_mmlu": "RouteLLM's answers to MMLU: Apache-2.0; MMLU: MIT",
    "routellm_gsm8k": "RouteLLM's answers to GSM8K: Apache-2.0; GSM8K: MIT",
    "zeroeval": "ZeroEval (GSM8K, MATH level 5, CRUXEval): Apache-2.0; its questions: MIT",
    "mmlu_pro": "MMLU-Pro: Apache-2.0; MMLU: MIT",
}

_LIMITS = """\
## Limits

- Learned from English questions that have a right answer. Chat, writing, translation, summaries, extraction and classification are told by
  a hand-written list of signs; other languages are unfamiliar, so complexity stays near the base rate and confidence near 0.
- Complexity is about Llama-3.1-8B. With a whole source held out, its calibration error was 0.07 to 0.15, and
  `gain` ranked no better than the length of the prompt does.
- More than half of what can be known of the gain is which kind of question it is; between questions of one kind, length tells most.
- The prompts are not in the artifact: it holds words that stand in three prompts or more, and weights.
"""


def card(rows: Sequence[Row], *, digest: str, size: int, report: Report | None) -> str:
    """Return the card as Markdown."""
    counts = Counter(map(source_of, rows))
    lines = ["# Estimator of complexity and gain", "", f"Artifact: {size:,} bytes, SHA-256 `{digest}`.", "", "## Data", ""]
    lines += ["| source | prompts | licence |", "|---|--:|---|"]
    lines += [f"| {source} | {counts[source]:,} | {LICENCES[source]} |" for source in sorted(counts)]
    lines += ["", "## What it reaches", "", table_text(report) if report else "Not measured.\n", _LIMITS]
    return "\n".join(lines)
