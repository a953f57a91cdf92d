"""An email helpdesk daemon: every mail becomes one ticket or one reply on its ticket, once."""

__version__ = "0.1.0"

import os

# numpy's OpenBLAS keeps a second thread that spins for more work after each small product, on the core the model
# needs; it reads this when it is first imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
