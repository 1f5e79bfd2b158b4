"""Checks keys in this process, by the rules of docs/edge.md."""
