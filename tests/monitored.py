"""What dashboards and alerts ask of Prometheus, read from their files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
MONITORING = ROOT / "k8s" / "components" / "monitoring"
JAEGER = ROOT / "k8s" / "components" / "jaeger"
DASHBOARDS = {path.stem: json.loads(path.read_text()) for path in sorted((MONITORING / "dashboards").glob("*.json"))}
RULES: dict[str, Any] = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["spec"]


@dataclass(frozen=True)
class Query:
    """An expression of PromQL, and where it stands."""

    where: str
    text: str
    shown: str = ""
    """What its series are called, and where a click on them leads: texts with labels in them."""

    def __str__(self) -> str:
        return self.where


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every panel that asks something, with the dashboard that it is of."""
    for name, dashboard in DASHBOARDS.items():
        yield from ((name, panel) for panel in dashboard["panels"] if panel["type"] != "row")


def shown() -> Iterator[Query]:
    """Yield the queries of dashboards, as Grafana sends them where everything is picked."""
    for name, dashboard in DASHBOARDS.items():
        for annotation in dashboard["annotations"]["list"]:
            yield Query(f"{name}: {annotation['name']}", filled(annotation["expr"]))
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query":
                metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"]).groups()  # type: ignore[union-attr]
                yield Query(f"{name}: ${variable['name']}", f"count by ({label}) ({metric})")
    for name, panel in panels():
        links = " ".join(link["url"] for link in panel["fieldConfig"]["defaults"].get("links", ()))
        for target in panel["targets"]:
            yield Query(f"{name}: {panel['title']}", filled(target["expr"]), f"{target['legendFormat']} {links}")


def watched() -> Iterator[Query]:
    """Yield the queries of alerts and recorded rules."""
    for group in RULES["groups"]:
        for rule in group["rules"]:
            texts = " ".join([*rule.get("annotations", {}).values()])
            yield Query(rule.get("alert") or rule["record"], rule["expr"], texts)


def filled(expr: str) -> str:
    """Return a query with Grafana's variables filled in."""
    expr = expr.replace("$__rate_interval", "1m").replace("$__range", "1h")
    return re.sub(r"\$[a-z]+", ".*", expr)
