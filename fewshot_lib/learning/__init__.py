"""How a network learns and is judged: one file for each method, and what they share."""
