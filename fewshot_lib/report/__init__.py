"""Notebooks, executed and rendered: what ``fewshot report`` does."""
