"""What a program means: names, values, effects. Knows no rule."""
