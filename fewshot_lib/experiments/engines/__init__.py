"""How the independent runs of an experiment are made: one after another, or by Ray."""
