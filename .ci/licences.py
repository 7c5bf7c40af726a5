"""Enters licences that packages tell in words of their own into a CycloneDX file, and fails where one is left without: `make sbom`.

Run by the Python whose packages the file lists. Development only.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import metadata
from pathlib import Path

KNOWN = {"3-Clause BSD License": "BSD-3-Clause", "MIT License": "MIT"}
"""By the first line of `License`, which is free text."""


def main() -> int:
    """Complete the file that is named."""
    path = Path(sys.argv[1])
    document = json.loads(path.read_text(encoding="utf-8"))
    for component in document["components"]:
        said = (metadata(component["name"])["License"] or "").partition("\n")[0].strip()
        if not component.get("licenses") and said in KNOWN:
            component["licenses"] = [{"license": {"acknowledgement": "declared", "id": KNOWN[said]}}]
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    bare = [component["name"] for component in document["components"] if not component.get("licenses")]
    print(
        f"{path}: "
        + (f"no licence is known of {', '.join(bare)}; see {Path(__file__).name}" if bare else f"{len(document['components'])} packages")
    )
    return 1 if bare else 0


if __name__ == "__main__":
    sys.exit(main())
