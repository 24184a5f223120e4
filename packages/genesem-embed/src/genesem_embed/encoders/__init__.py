"""Texts to vectors: a model described without torch (`model`), and the encoders that run it (`transformer`)."""
