"""Looks at everything that Gale stands on, and says of each thing whether it is well and what to do."""
