"""The Event Issuer: partners consume from and produce to an event backbone without touching the broker."""
