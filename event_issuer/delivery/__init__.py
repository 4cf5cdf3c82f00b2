"""How events leave: leases, lanes, attempts, outcomes, retries and settling."""
