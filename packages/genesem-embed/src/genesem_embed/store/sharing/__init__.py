"""Moving: stores at paths, URLs and in archives, and what passes between two of them."""
