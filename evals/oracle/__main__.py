"""Judge one case: `python -m evals.oracle CASE.json` writes the judgement as JSON."""

from __future__ import annotations

import sys
from pathlib import Path

from evals.oracle.case import Case
from evals.oracle.judge import judge
from tools.leaving import leave


def main() -> int:
    """Read a case and write the judgement on standard output."""
    case = Case.model_validate_json(Path(sys.argv[1]).read_bytes())
    sys.stdout.write(judge(case).model_dump_json() + "\n")
    return 0


if __name__ == "__main__":
    leave(main())
