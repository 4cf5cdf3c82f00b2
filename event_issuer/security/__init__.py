"""Who you are, what you may do, and how secrets are kept."""
