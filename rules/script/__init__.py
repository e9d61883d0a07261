"""The script around it: paths, imports, saving (TL9xx)."""
