"""The decision and everything it is made of, as pure values and functions: nothing here awaits, reads a clock, does I/O, or knows gRPC."""
