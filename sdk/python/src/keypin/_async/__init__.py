"""The asynchronous client. `_sync` is made of this folder by scripts/generate_sync.py."""
