"""Datasets, loaders, workers, transforms (TL4xx)."""
