"""A fitted model on slides that it has not seen."""
