"""Tidying: fewer segments, no garbage, and how two stores differ."""
