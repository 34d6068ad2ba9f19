"""What a terminal shows of a search while it runs."""
