"""What scripts say and the files that they want kept, from the socket into the run."""
