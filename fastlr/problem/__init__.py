"""What is minimized: J as a function of the parameters, its coordinates, and how far it is above its minimum."""
