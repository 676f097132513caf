"""``make interop``: every suite of the published vectors through ``vaxgate-verify --cases --compare``.

Writes the tables into ``docs/interop.md`` and exits non-zero when an expectation differs or nothing was
compared. Suites of families that this version does not verify yet are named as such, not left out.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from places import ROOT, vectors_dir

# Suites that are to agree without a difference, each as text and, where it has pictures, as pictures.
SUITES = (
    "eu-testdata", "eu-testdata-img", "eu-qa", "hcert-misc", "shc", "shc-keys", "vds-nc", "divoc", "nzcp",
    "ddcc", "photos",
)  # fmt: skip
LATER = {
    "trustlists": "trust lists of other publishers (the hub)",
    "certlogic-spec": "CertLogic",
    "certlogic-validation": "CertLogic",
    "dcc-rules": "CertLogic",
}
PAGE = ROOT / "docs" / "interop.md"
BEGIN, END = "<!-- the tables below are written by `make interop` -->", "<!-- end of the tables -->"


def compare(cases: Path, pictures: Path | None) -> tuple[int, str]:
    """Exit status and output of the command for one suite."""
    command = [sys.executable, "-m", "appliance.cli.verify", "--cases", str(cases), "--compare"]
    if pictures is not None:
        command += ["--pictures", str(pictures)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def main() -> int:
    """Run every suite and write the page."""
    folder = vectors_dir()
    if folder is None:
        print(
            "interop: the published vectors are absent: set VAXGATE_VECTORS to their folder", file=sys.stderr
        )
        return 2
    worst, parts = 0, []
    for suite in SUITES:
        cases = (folder / f"{suite}.jsonl").read_text(encoding="utf-8").split("\n")
        drawn = any(json.loads(case).get("png") for case in cases if case)
        for pictures in (None, folder)[suite == "photos" : 1 + drawn]:
            status, output = compare(folder / f"{suite}.jsonl", pictures)
            worst = max(worst, status)
            title = f"{suite}, read from its {'pictures' if pictures else 'texts'}"
            print(f"== {title}\n{output}", flush=True)
            parts.append(f"### {title}\n\n{output.strip()}\n")
    later = "\n".join(f"- `{suite}`: {what}" for suite, what in LATER.items())
    parts.append(f"### Not verified by this version\n\n{later}\n")
    page = PAGE.read_text(encoding="utf-8")
    head, tail = page.split(BEGIN)[0], page.split(END)[1]
    PAGE.write_text(f"{head}{BEGIN}\n\n" + "\n".join(parts) + f"\n{END}{tail}", encoding="utf-8")
    print("interop: no difference" if worst == 0 else "interop: THERE ARE DIFFERENCES")
    return worst


if __name__ == "__main__":
    sys.exit(main())
