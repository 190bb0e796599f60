"""The verbs: one file each, and no logic in them."""
