"""Measures speed and memory: `python -m tests.bench [NAME...] [--out FOLDER]`.

Prints a JSON line a case with the keys of `tests.bench.rows`, writes FOLDER/NAME.jsonl, and ends with a table of all
targets. A missed target is told, it is no error: the exit code is 1 only where a benchmark broke.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tests.bench.benches import BENCHES
from tests.bench.process import JobFailed, open_bench
from tests.bench.rows import table, write_rows
from tests.paths import ROOT


def main() -> int:
    """Run the benchmarks that the command line names, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure speed and memory.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of: {', '.join(BENCHES)} (default: all)")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "bench", help="folder for NAME.jsonl")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(BENCHES))
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    rows, broken = [], 0
    with open_bench("python -m tests.bench") as bench:
        for name in options.names or BENCHES:
            bench.command = f"python -m tests.bench {name}"
            try:
                found = BENCHES[name](bench)
            except JobFailed as error:
                print(f"{name}: {error}", file=sys.stderr)
                broken += 1
                continue
            for row in found:
                print(json.dumps(row, ensure_ascii=False, allow_nan=False), flush=True)
            write_rows(options.out / f"{name}.jsonl", found)
            rows += found
    print(table(rows))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
