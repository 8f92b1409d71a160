"""`python -m tests.bench [--quick] [--write] [--wide]`"""

from __future__ import annotations

import argparse
import base64
import os
import sys
import time
from pathlib import Path
from typing import Any


def main() -> int:
    options = _options()
    data_dir = _configure()
    import django

    django.setup()
    from tests.bench.bench import Bench
    from tests.bench.seed import Size

    started, load = time.monotonic(), os.getloadavg()[0]
    size = Size(wide_pipelines=10_000 if options.wide else 0)
    bench = Bench(data_dir, size, seconds=0.8 if options.quick else 4.0, say=_say)
    rows = bench.measure()
    from tests.bench import report

    text = report.table(rows)
    print(text)
    _say(f"{time.monotonic() - started:.0f} s in all")
    if options.write:
        today = time.strftime("%Y-%m-%d", time.gmtime())
        report.write(f"Measured {today} on {report.machine(bench.postgresql, load)}\n\n{text}")
    return any(row.sample.refused for row in rows)


def _options() -> Any:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure the speeds of DataXPipe.")
    parser.add_argument("--quick", action="store_true", help="less than a second for each work")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    parser.add_argument(
        "--wide", action=argparse.BooleanOptionalAction, default=True, help="also lineage at 10,000 pipelines"
    )
    return parser.parse_args()


def _configure() -> Path:
    """Production's settings over a data directory, and so a PostgreSQL, of the bench alone."""
    data_dir = Path(os.environ.get("DATAXPIPE_DATA_DIR", "var")).resolve() / "bench"
    for name in [name for name in os.environ if name.startswith("DATAXPIPE_")]:
        del os.environ[name]
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "dataxpipe.settings",
        "DEBUG": "false",
        "DATAXPIPE_DATA_DIR": str(data_dir),
        "DATAXPIPE_SECRET_KEY": "of the bench alone " * 3,
        "DATAXPIPE_ENCRYPTION_KEYS": f"bench:{base64.b64encode(bytes(32)).decode()}",
        "DATAXPIPE_LOG_LEVEL": "ERROR",
    }
    return data_dir


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
