"""Use cases, gates and decisions, rejected projects included."""
