"""The commands of ``fewshot``, one file each. They import what is heavy when they are called."""
