"""Figures of a study, one idea a file: each gives a `Picture`, which a page and a file draw alike."""
