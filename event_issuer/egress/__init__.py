"""The only way out: the webhook sender, the control client, and the vetting of every address they go to."""
