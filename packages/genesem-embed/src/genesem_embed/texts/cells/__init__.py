"""Recipe `cell-sentences`: a cell as its ranked proteins, beside similar, near, dissimilar and distant cells."""
