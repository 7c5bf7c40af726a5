"""The model card: what the artifact was learned from, what it reaches, and what it cannot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pointsman.learn.report import Report, table_text
from pointsman.learn.rows import PAIRS, Row, source_of

LICENCES = {
    "routellm_mmlu": "RouteLLM's answers to MMLU: Apache-2.0; MMLU: MIT",
    "routellm_gsm8k": "RouteLLM's answers to GSM8K: Apache-2.0; GSM8K: MIT",
    "zeroeval": "ZeroEval (GSM8K, MATH level 5, CRUXEval): Apache-2.0; its questions: MIT",
    "mmlu_pro": "MMLU-Pro: Apache-2.0; MMLU: MIT",
}

_HOW_MEASURED = """\
New questions: five folds, and all that asks the same question is in one fold, whatever the source, the frame or the answer options. New
rows: five folds by row, which flatters wherever sources share questions. Scores are ranked among what the same weights scored; pooled
over folds, they would look worse than any of the weights are. Intervals are bootstraps of 95 %. CPT is the share of calls to the strong
model that recovers 50 or 80 % of the gap. "If perfectly calibrated" is the error that chance leaves at this many rows. Abilities of
models come from the half of the questions that is not measured. Decisions choose the cheapest of five models; rewording is made by
rule.
"""

_LIMITS = """\
## Limits

- Scores are what the rows say; style, tone and safety of answers are in them only as far as whoever scored them looked at these.
- Of a long prompt, the first and the last 800 characters are read.
- The prompts are not in the artifact: it holds words that stand in three prompts or more, and weights.
- Figures are of weights learned without the rows that they are measured on; the artifact itself is learned from all rows.
"""

_LIMITS_OF_PUBLIC = """\
- Learned from English questions that have a right answer. Chat, writing, translation, summaries, extraction and classification are told
  by a hand-written list of signs, and there more work is assumed to be harder; other languages are unfamiliar, so complexity stays near
  the base rate and confidence near 0.
- On sources never seen, `gain` ranks no better than the length of the prompt does, and complexity is far from calibrated (last column).
- Of questions of one kind little can be told: on MMLU-Pro, `gain` is hardly better than chance. Most of what is known of gain is the shape
  of a prompt (length, steps, numbers, options: "shape only"), which also tells one kind of question from another; words add 0.01.
- Complexity is about Llama-3.1-8B; the two RouteLLM sources enter through the quality curve, at the ability of Mixtral-8x7B.
- Right is what a benchmark's checker says. Style, tone and safety of answers are not in the data.
"""

_LIMITS_OF_OWN = """\
- Complexity is about the least able model of the rows, gain about the most able one beside it.
- What resembles none of these prompts is unfamiliar: there complexity stays near the base rate and confidence near 0.
"""


def card(rows: Sequence[Row], *, digest: str, size: int, report: Report | None) -> str:
    """Return the card as Markdown."""
    counts = Counter(map(source_of, rows))
    lines = ["# Estimator of complexity and gain", "", f"Artifact: {size:,} bytes, SHA-256 `{digest}`.", "", "## Data", ""]
    lines += ["| source | prompts | licence |", "|---|--:|---|"]
    lines += [f"| {source} | {counts[source]:,} | {LICENCES.get(source, 'not public')} |" for source in sorted(counts)]
    lines += ["", "## What it reaches", "", f"{_HOW_MEASURED}\n{table_text(report)}" if report else "Not measured.\n"]
    lines += [_LIMITS + (_LIMITS_OF_PUBLIC if set(counts) <= set(PAIRS) else _LIMITS_OF_OWN)]
    return "\n".join(lines)
