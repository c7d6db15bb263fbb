"""What training returns, and its file."""
