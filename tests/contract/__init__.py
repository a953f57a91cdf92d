"""One behavioural suite a port, run over every implementation behind it, with real parts only."""
