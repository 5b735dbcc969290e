"""The worker: takes task commands from the broker, claims their attempts, runs them, writes how they ended."""
