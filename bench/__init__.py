"""What this machine allows, what the product makes of it, and the ratio of the two. Run as `python -m bench`."""
