"""Running programs: the oracle, the host and emulated devices."""
