"""Kinds of prompts: the fields of the sources, and which task and subject of the rules' vocabulary each belongs to."""

from __future__ import annotations

from pointsman.core.vocabulary import TASKS, Subject, Task

_MERGED = {"gsm8k": "gsm"}
"""Two sources ask the same questions of GSM8K; kept apart, the kinds would tell only the frames around them."""

_SUBJECTS: dict[Subject, str] = {
    "math": "abstract_algebra college_mathematics elementary_mathematics high_school_mathematics high_school_statistics math math-l5 gsm",
    "physics": "astronomy college_physics conceptual_physics high_school_physics physics",
    "chemistry": "college_chemistry high_school_chemistry chemistry",
    "biology": "college_biology high_school_biology biology",
    "health": (
        "anatomy clinical_knowledge college_medicine human_aging medical_genetics nutrition professional_medicine virology "
        "human_sexuality health"
    ),
    "law": "international_law jurisprudence professional_law law",
    "history": "high_school_european_history high_school_us_history high_school_world_history prehistory history",
    "philosophy": "formal_logic logical_fallacies moral_disputes moral_scenarios philosophy world_religions",
    "psychology": "high_school_psychology professional_psychology psychology",
    "business": "business_ethics management marketing professional_accounting business",
    "economics": "econometrics high_school_macroeconomics high_school_microeconomics economics",
    "engineering": "electrical_engineering engineering",
    "computing": "college_computer_science computer_security high_school_computer_science machine_learning computer_science crux",
}
"""As MMLU-Pro sorts the fields of MMLU; whatever is not named is `other`."""

_TASKS: dict[Task, str] = {
    "math": (
        "abstract_algebra college_mathematics elementary_mathematics high_school_mathematics high_school_statistics math math-l5 gsm "
        "physics chemistry engineering"
    ),
    "reason": "formal_logic logical_fallacies moral_scenarios",
    "code": "crux",
}
"""Whatever is not named is `knowledge`. The questions of MMLU-Pro in physics, chemistry and engineering are sums."""


def kind_of(label: str) -> str:
    """Return the kind of a row's task label."""
    return _MERGED.get(label, label)


def subject_of(kind: str) -> Subject:
    """Return the subject of a kind."""
    return next((subject for subject, fields in _SUBJECTS.items() if _field(kind) in fields.split()), "other")


def task_of(kind: str) -> Task:
    """Return the task of a kind; the name of a task stands for itself."""
    named: Task = next((task for task in TASKS if task == _field(kind)), "knowledge")
    return next((task for task, fields in _TASKS.items() if _field(kind) in fields.split()), named)


def _field(kind: str) -> str:
    return kind.rpartition("/")[2].replace(" ", "_")
