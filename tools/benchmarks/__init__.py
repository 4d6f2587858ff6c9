"""What tools/bench runs. See README.md."""
