"""What is trained on, and where it lies: in memory, in blocks that are read, on a cluster."""
