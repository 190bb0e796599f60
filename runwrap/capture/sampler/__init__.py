"""What a run uses of its machine, sampled while it runs."""
