"""The secret firewall: keys, tokens and passwords do not reach the disk (docs/secrets.md)."""
