"""Labelled examples, and what a vector database was given of them."""
