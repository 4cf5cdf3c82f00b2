"""The demo: a partner, a producer and a receiver around a real issuer, in one terminal."""
