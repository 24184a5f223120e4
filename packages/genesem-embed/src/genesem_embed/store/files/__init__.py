"""How a store's bytes are written, named and laid out: the code beside ``docs/store-format.md``."""
