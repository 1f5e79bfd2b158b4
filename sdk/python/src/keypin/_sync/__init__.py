# Written by scripts/generate_sync.py; not edited by hand.
"""The synchronous client."""
