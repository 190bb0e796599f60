"""What is kept of the code beside the patch: the files that a patch cannot tell of, and the main script."""
