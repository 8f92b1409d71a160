#!/usr/bin/env python
import os
import sys
from pathlib import Path

import environ


def main() -> None:
    # For development; what the environment already says wins, and a process manager reads the file itself.
    dotenv = Path(__file__).with_name(".env")
    if dotenv.exists():
        environ.Env.read_env(dotenv)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dataxpipe.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        if "--traceback" in sys.argv:
            raise
        sys.exit(f"{error}")


if __name__ == "__main__":
    main()
