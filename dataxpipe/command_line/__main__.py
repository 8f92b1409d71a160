import sys

from dataxpipe.command_line import main

sys.exit(main())
