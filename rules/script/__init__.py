"""The script around it: paths, imports (TL9xx)."""
