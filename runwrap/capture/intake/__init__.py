"""What scripts say over the socket becomes records of the run."""
