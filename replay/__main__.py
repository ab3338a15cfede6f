"""`python -m replay`."""

import sys

from replay.main import main

sys.exit(main())
