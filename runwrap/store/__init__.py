"""Where records live: journal, catalog, and what is read from them."""
