"""One file a format: diagnostics in, text out."""
