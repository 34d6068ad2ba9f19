"""What a study looks like, for the run of its search."""
