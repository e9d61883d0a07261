"""Modules: layers, containers, recurrent networks, saving and loading (TL5xx)."""
