"""The language of the business: events, contracts, filters, states. No I/O and no clock of its own."""
