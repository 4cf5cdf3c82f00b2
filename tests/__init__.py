"""Tests of the Event Issuer, in the same rooms as the package."""
