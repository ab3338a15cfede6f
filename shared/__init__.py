"""What edge, worker and replay have in common: the vocabulary, the bus, settings and logs."""
