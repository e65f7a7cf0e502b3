"""What the cells of a notebook call: figures, tables, sentences."""
