"""Mode `improved`: what a slide's own counts and places decide, and the network's inputs that follow from it."""
