"""The operations of the OpenAPI document, and the calls that make them. test/e2e/doors makes its calls by this too."""

from __future__ import annotations

CALLS = {
    "list-api-keys": "api_keys.list",
    "create-api-key": "api_keys.create",
    "verify-api-key": "api_keys.verify",
    "delete-api-key": "api_keys.delete",
    "get-api-key": "api_keys.get",
    "update-api-key": "api_keys.update",
    "rotate-api-key": "api_keys.rotate",
    "get-api-key-usage": "api_keys.usage",
    "whoami": "auth.whoami",
    "get-usage": "usage.get",
    "list-workspaces": "workspaces.list",
    "create-workspace": "workspaces.create",
    "slug-available": "workspaces.slug_available",
    "get-workspace": "workspaces.get",
    "update-workspace": "workspaces.update",
    "delete-workspace": "workspaces.delete",
    "get-workspace-settings": "workspaces.settings",
    "update-workspace-settings": "workspaces.update_settings",
    "list-members": "members.list",
    "update-member": "members.update",
    "remove-member": "members.remove",
    "list-invites": "members.invites.list",
    "create-invite": "members.invites.create",
    "update-invite": "members.invites.update",
    "revoke-invite": "members.invites.revoke",
    "accept-invite": "members.invites.accept",
    "health": "health.live",
    "ready": "health.ready",
}
