"""Finding: from a key to its row, from rows to a matrix, and SQL over it all."""
