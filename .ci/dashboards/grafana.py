"""What a dashboard is, and how Grafana has it: ids, places and everything that it wants besides are made here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

JAEGER = "https://jaeger.example.com"
SCHEMA = 41
"""Of Grafana 12; newer ones bring it up to date when they load it."""

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24


@dataclass(frozen=True, kw_only=True)
class Panel:
    """What one panel shows. In queries, JOB stands for the servers that were picked."""

    title: str
    says: str
    """What it shows, and what to do when it looks odd."""
    unit: str
    asks: dict[str, str]
    """Queries by what their series are called."""
    kind: str = "timeseries"
    width: int = 8
    height: int = 8
    limits: tuple[float, ...] = ()
    """From where on it is yellow, and red."""
    stacked: bool = False
    exemplars: bool = False
    """Whether single calls are marked, each of which leads to its trace."""
    traces: str = ""
    """Tags by which Jaeger finds the calls of a series, as `attribute=label`."""


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """One file."""

    name: str
    title: str
    says: str
    varies: dict[str, str] = field(default_factory=dict)
    """Variables, each with the metric and label that has its values."""
    rows: dict[str, tuple[Panel, ...]]


def written(dashboard: Dashboard) -> dict[str, Any]:
    """Return a dashboard as Grafana has it."""
    return {
        "uid": f"pointsman-{dashboard.name}",
        "title": f"Pointsman / {dashboard.title}",
        "description": dashboard.says,
        "tags": ["pointsman"],
        "schemaVersion": SCHEMA,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "links": [
            {"type": "dashboards", "title": "Pointsman", "tags": ["pointsman"], "asDropdown": True, "includeVars": False, "keepTime": True},
            {"type": "link", "title": "Traces", "url": "${jaeger}/search?service=pointsman", "targetBlank": True, "icon": "external link"},
        ],
        "annotations": {"list": [_revisions()]},
        "templating": {"list": list(_variables(dashboard))},
        "panels": list(_panels(dashboard)),
    }


def _revisions() -> dict[str, Any]:
    """Mark when servers went over to other rules: the first thing to look for beside a change."""
    return {
        "name": "Other rules",
        "datasource": SOURCE,
        "enable": True,
        "iconColor": "purple",
        "expr": 'min(pointsman_ruleset_age_seconds{job=~"$job"}) < 60',
        "step": "60s",
        "titleFormat": "Servers went over to other rules",
    }


def _variables(dashboard: Dashboard) -> Iterator[dict[str, Any]]:
    yield {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "hide": 0}
    yield {"name": "jaeger", "label": "Jaeger", "type": "constant", "query": JAEGER, "hide": 2}
    for name, (metric, label) in {"job": ("pointsman_calls_under_way", "job"), **{n: tuple(v.split()) for n, v in dashboard.varies.items()}}.items():
        query = f"label_values({metric}, {label})"
        yield {
            "name": name, "label": name.capitalize(), "type": "query", "datasource": SOURCE,
            "query": {"query": query, "refId": name}, "definition": query,
            "refresh": 2, "sort": 1, "multi": True, "includeAll": True, "allValue": ".*",
            "current": {"text": ["All"], "value": ["$__all"]}, "hide": 0,
        }  # fmt: skip


def _panels(dashboard: Dashboard) -> Iterator[dict[str, Any]]:
    number, top = 0, 0
    for title, panels in dashboard.rows.items():
        number += 1
        yield {"id": number, "type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": 1}}
        top, left, tallest = top + 1, 0, 0
        for panel in panels:
            if left + panel.width > COLUMNS:
                top, left, tallest = top + tallest, 0, 0
            number += 1
            yield _panel(panel, number, {"x": left, "y": top, "w": panel.width, "h": panel.height})
            left, tallest = left + panel.width, max(tallest, panel.height)
        top += tallest


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": _field(panel), "overrides": []},
        "options": _OPTIONS[panel.kind],
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": SOURCE,
                "expr": expr.replace("JOB", 'job=~"$job"'),
                "legendFormat": legend,
                "exemplar": panel.exemplars,
                **({"instant": True, "range": False} if panel.kind in {"stat", "bargauge"} else {"range": True}),
            }
            for index, (legend, expr) in enumerate(panel.asks.items())
        ],
    }


def _field(panel: Panel) -> dict[str, Any]:
    colours = ("yellow", "red") if len(panel.limits) > 1 else ("red",)
    steps = [{"color": "green", "value": None}, *({"color": c, "value": v} for c, v in zip(colours, panel.limits, strict=False))]
    drawn: dict[str, Any] = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.kind == "timeseries":
        drawn |= {"min": 0, "custom": {
            "lineWidth": 1, "fillOpacity": 25 if panel.stacked else 0, "showPoints": "never",
            "stacking": {"mode": "normal" if panel.stacked else "none"},
            "thresholdsStyle": {"mode": "dashed" if panel.limits else "off"},
        }}  # fmt: skip
    if panel.kind == "state-timeline":
        drawn |= {"mappings": [{"type": "value", "options": {"0": {"text": "no", "color": "red"}, "1": {"text": "yes", "color": "green"}}}]}
    if panel.kind == "bargauge" and panel.unit == "percentunit":
        drawn |= {"min": 0, "max": 1}
    if panel.traces:
        drawn["links"] = [{"title": "Calls like these in Jaeger", "url": _search(panel.traces), "targetBlank": True}]
    return drawn


def _search(tags: str) -> str:
    pairs = [pair.split("=") for pair in tags.split()]
    asked = ",".join(f"%22{name}%22:%22${{__field.labels.{label}}}%22" for name, label in pairs)
    return f"${{jaeger}}/search?service=pointsman&lookback=custom&start=${{__from}}000&end=${{__to}}000&tags=%7B{asked}%7D"


_LEGEND = {"legend": {"displayMode": "table", "placement": "bottom", "calcs": ["mean", "max"], "showLegend": True}}
_OPTIONS: dict[str, dict[str, Any]] = {
    "timeseries": {**_LEGEND, "tooltip": {"mode": "multi", "sort": "desc"}},
    "stat": {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "graphMode": "none", "textMode": "auto"},
    "bargauge": {"reduceOptions": {"calcs": ["lastNotNull"]}, "orientation": "horizontal", "displayMode": "gradient"},
    "state-timeline": {"mergeValues": True, "showValue": "never", "rowHeight": 0.8, "legend": {"showLegend": False}},
}
