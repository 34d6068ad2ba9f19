"""Several processes at one study: where it is kept, who runs what, and who replaces the dead."""
