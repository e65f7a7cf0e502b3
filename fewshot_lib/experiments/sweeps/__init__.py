"""Many settings of one recipe: planned, searched, ranked."""
