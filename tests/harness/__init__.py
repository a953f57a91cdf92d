"""Real mail servers on loopback and generated mails, for tests and for scripts/bench.py."""
