"""Sign-in with access tokens (OAuth 2.0) instead of a password."""
