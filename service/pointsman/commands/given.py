"""`pointsman rules explain --facts FILE`: facts as a rule test gives them, or a recorded decision."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from pointsman.core.account import Situation
from pointsman.core.diagnostics import Problem, in_order
from pointsman.core.market import Market, ModelState
from pointsman.core.pins import Unknown, pinned
from pointsman.core.record import BadRecord
from pointsman.core.rulefile.documents import GivenDoc
from pointsman.core.rulefile.structure import check
from pointsman.core.ruleset import Ruleset
from pointsman.core.ruletest.given import GivenReader, facts
from pointsman.core.yamlnodes import parse
from pointsman.offline import read_log

RECORDS = (".jsonl", ".jsonl.gz")


class BadFacts(Exception):
    """The file holds no facts; `problems` says where, if the message does not."""

    def __init__(self, message: str, problems: tuple[Problem, ...] = (), source: bytes = b"") -> None:
        super().__init__(message)
        self.problems = problems
        self.source = source


def situation_of(path: Path, decision_id: str, ruleset: Ruleset) -> Situation:
    """Return the situation in a file. Raises BadFacts, and OSError where it cannot be read."""
    return _recorded(path, decision_id, ruleset) if path.is_dir() or path.name.endswith(RECORDS) else _written(path, ruleset)


def _recorded(path: Path, decision_id: str, ruleset: Ruleset) -> Situation:
    """Return the situation of a recorded decision: that of the id, the last without one."""
    found = None
    try:
        for record in read_log(path):
            if decision_id in ("", record.id):
                found = record
    except BadRecord as error:
        raise BadFacts(str(error)) from None
    if found is None:
        raise BadFacts(f"{path} has no record of decision '{decision_id}'" if decision_id else f"{path} has no record")
    return Situation(ruleset=pinned(ruleset, found.pins, Unknown(found.withheld)), facts=found.facts, market=found.market)


def _written(path: Path, ruleset: Ruleset) -> Situation:
    source = path.read_bytes()
    node, found = parse(source, file=str(path))
    problems = list(found)
    if node is not None:
        problems += check(GivenDoc, node, str(path))
    reader = GivenReader(ruleset, str(path), problems)
    given, quality, now = reader.given(node), reader.quality(node), reader.now(node) or datetime.now(UTC)
    if problems:
        raise BadFacts(f"{path} holds no facts", in_order(problems), source)
    market = Market(models={model: ModelState(quality=value) for model, value in quality.items()})
    return Situation(ruleset=ruleset, facts=facts(given, now, ruleset, "explain"), market=market)
