"""One suite a file; ``components.evaluation.registry`` finds them by name."""
