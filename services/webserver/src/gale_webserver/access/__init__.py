"""Roles, permissions, sessions, tokens: what the guard and the login are made of."""
