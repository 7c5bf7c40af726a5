"""Dashboards, alerts and what Jaeger is told: they ask for what there is, and say what to do."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
import yaml
from prometheus_client import Gauge

from monitored import DASHBOARDS, JAEGER, MONITORING, ROOT, RULES, Query, panels, shown, watched
from pointsman.attempts import CANCELLED
from pointsman.core.vocabulary import DropReason
from pointsman.telemetry import names
from pointsman.telemetry.metrics import Metrics
from pointsman.telemetry.traces import FAULTS

NO_FAILURES = {CANCELLED, "hedged"}
"""Error types of calls of models that nobody waited for."""

TARGET = {"job", "instance", "namespace", "pod"}
"""Labels that Prometheus adds by itself."""


def _there() -> dict[str, set[str]]:
    """Return the labels of every series that servers and recorded rules have, by the name that Prometheus knows it by."""
    there: dict[str, set[str]] = {rule["record"]: set() for group in RULES["groups"] for rule in group["rules"] if "record" in rule}
    for name, metric in Metrics().registry._names_to_collectors.items():
        if isinstance(metric, Gauge) or name.endswith(("_total", "_count", "_sum", "_bucket")):
            there[name] = {*vars(metric)["_labelnames"], *TARGET} | ({"le"} if name.endswith("_bucket") else set())
    return there


THERE = _there()
ASKED = [*shown(), *watched()]


def _nodes(query: Query, kind: type[Any]) -> list[Any]:
    found: list[Any] = []
    promql.walk(promql.parse(query.text), lambda node: found.append(node) if isinstance(node, kind) else None)
    return found


def _selectors(node: promql.Expr) -> list[Any]:
    found: list[Any] = []
    promql.walk(node, lambda each: found.append(each) if isinstance(each, promql.VectorSelector) else None)
    return found


def _matchers(query: Query) -> Iterator[tuple[str, str, str]]:
    for selector in _nodes(query, promql.VectorSelector):
        yield from ((selector.name, matcher.name, matcher.value) for matcher in selector.matchers.matchers)


@pytest.mark.parametrize("query", ASKED, ids=str)
def test_a_query_names_only_metrics_and_labels_that_there_are(query: Query) -> None:
    names_of = {selector.name for selector in _nodes(query, promql.VectorSelector)}

    assert names_of
    assert names_of <= THERE.keys()
    assert [(name, label) for name, label, _ in _matchers(query) if label not in THERE[name]] == []
    for aggregate in _nodes(query, promql.AggregateExpr):
        kept = set(aggregate.modifier.labels) if aggregate.modifier else set()
        assert [(selector.name, kept) for selector in _selectors(aggregate.expr) if not kept <= THERE[selector.name]] == []


@pytest.mark.parametrize("query", [query for query in ASKED if query.shown], ids=str)
def test_a_series_is_named_and_linked_by_labels_that_it_has(query: Query) -> None:
    named = set(re.findall(r"\{\{(\w+)\}\}|__field\.labels\.(\w+)|\$labels\.(\w+)", query.shown))
    wanted = {label for found in named for label in found if label}
    aggregates = _nodes(query, promql.AggregateExpr)
    kept = {label for each in aggregates if each.modifier for label in each.modifier.labels}

    assert wanted <= (kept if aggregates else set.union(*(THERE[selector.name] for selector in _nodes(query, promql.VectorSelector))))


@pytest.mark.parametrize("query", ASKED, ids=str)
def test_values_of_closed_sets_are_those_that_there_are(query: Query) -> None:
    for name, label, value in _matchers(query):
        words = set(value.split("|"))
        if label == "rpc_status_code" and len(words) > 1:
            assert words == FAULTS - {"DEADLINE_EXCEEDED"}  # which is by how much time there was
        if label == "error_type":
            assert words - {""} == NO_FAILURES
        if name == "pointsman_dropped_candidates_total" and label == "reason":
            assert words <= {reason.name for reason in DropReason}


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_can_be_loaded_and_leads_to_the_others(name: str) -> None:
    dashboard = DASHBOARDS[name]
    numbers = [panel["id"] for panel in dashboard["panels"]]
    squares = Counter(square for panel in dashboard["panels"] for square in _squares(panel["gridPos"]))
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}

    assert dashboard["uid"] == f"pointsman-{name}"
    assert "pointsman" in dashboard["tags"]
    assert len(set(numbers)) == len(numbers)
    assert max(squares.values()) == 1
    assert {"datasource", "job", "jaeger"} <= variables
    assert set(re.findall(r"\$\{?([a-z]+)", yaml.safe_dump(dashboard["panels"]))) <= variables


def _squares(place: dict[str, int]) -> Iterator[tuple[int, int]]:
    assert place["x"] + place["w"] <= 24
    for x in range(place["x"], place["x"] + place["w"]):
        yield from ((x, y) for y in range(place["y"], place["y"] + place["h"]))


@pytest.mark.parametrize(("name", "panel"), list(panels()), ids=lambda value: value if isinstance(value, str) else value["title"])
def test_a_panel_has_a_title_a_unit_and_says_what_to_do(name: str, panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["fieldConfig"]["defaults"]["unit"] in {"reqps", "ops", "percentunit", "short", "s", "currencyUSD", "x"}
    assert len(panel["description"]) > 40
    assert panel["targets"]
    assert {source["uid"] for source in (panel["datasource"], *(target["datasource"] for target in panel["targets"]))} == {"${datasource}"}
    assert [target for target in panel["targets"] if 'job=~"$job"' not in target["expr"]] == []


def test_the_dashboards_are_as_they_are_made(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-B", ROOT / ".ci" / "dashboards", tmp_path], check=True, timeout=30)

    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        path.name: path.read_text() for path in (MONITORING / "dashboards").iterdir()
    }, "run `make dashboards`"


def test_every_alert_says_how_urgent_it_is_and_has_its_place_in_the_runbook() -> None:
    alerts = [rule for group in RULES["groups"] for rule in group["rules"] if "alert" in rule]
    headings = re.findall(r"^## (\w+)$", (MONITORING / "runbook.md").read_text(), re.MULTILINE)

    assert {alert["labels"]["severity"] for alert in alerts} == {"page", "ticket"}
    assert all({"summary", "description", "runbook_url"} == alert["annotations"].keys() for alert in alerts)
    assert [
        alert["alert"] for alert in alerts if not alert["annotations"]["runbook_url"].endswith(f"runbook.md#{alert['alert'].lower()}")
    ] == []
    assert headings == [alert["alert"] for alert in alerts]


def test_every_alert_is_given_numbers_with_which_it_comes() -> None:
    given = [
        alert
        for test in yaml.safe_load((ROOT / "tests" / "data" / "alerts_test.yaml").read_text())["tests"]
        for alert in test.get("alert_rule_test", ())
    ]

    assert {alert["alertname"] for alert in given if alert["exp_alerts"]} == {
        rule["alert"] for group in RULES["groups"] for rule in group["rules"] if "alert" in rule
    }


def test_jaeger_is_told_of_attributes_and_dashboards_that_there_are() -> None:
    told = (JAEGER / "config.yaml").read_text() + (JAEGER / "config-ui.json").read_text()
    links = (JAEGER / "config-ui.json").read_text()
    attributes = {value for key, value in vars(names).items() if key.isupper()}
    searched = {
        name
        for dashboard in DASHBOARDS.values()
        for name in re.findall(r"%22((?:pointsman|gen_ai|rpc|error)\.[a-z_.]+)%22", str(dashboard))
    }

    assert (
        set(re.findall(r"key\"?: \"?(pointsman\.[a-z_.]+|gen_ai\.[a-z_.]+)", told)) | set(re.findall(r"#\{([a-z_.]+\.[a-z_]+)\}", links))
        <= attributes
    )
    assert searched
    assert searched <= attributes
    for name in re.findall(r"/d/pointsman-(\w+)/", links):
        variables = {variable["name"] for variable in DASHBOARDS[name]["templating"]["list"]}
        assert set(re.findall(rf"/d/pointsman-{name}/[^\"]*var-(\w+)=", links)) <= variables
    (number,) = re.findall(r"/d/pointsman-traffic/\?viewPanel=panel-(\d+)", links)
    assert {panel["id"]: panel["title"] for panel in DASHBOARDS["traffic"]["panels"]}[int(number)] == "Revisions in use"
