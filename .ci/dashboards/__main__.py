"""Writes the dashboards of Grafana: `make dashboards`. What they ask stands in the files beside this one, once.

A test fails where the files are not what this writes. Development only.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import budgets
import cost
import quality
import traffic
import upstreams
from grafana import written

FOLDER = Path(__file__).parents[2] / "k8s" / "components" / "monitoring" / "dashboards"


def main() -> int:
    """Write them all into the folder that is named, else into the one that is committed."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    for page in (traffic, cost, quality, upstreams, budgets):
        text = json.dumps(written(page.DASHBOARD), indent=1, ensure_ascii=False)
        folder.joinpath(f"{page.DASHBOARD.name}.json").write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
