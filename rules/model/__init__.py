"""Modules: layers, containers, recurrent networks (TL5xx)."""
