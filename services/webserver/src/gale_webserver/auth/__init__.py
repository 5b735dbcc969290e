"""The guard before every route, and signing in and out."""
