"""The search: space, objective, study, and what it writes."""
