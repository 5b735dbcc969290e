"""Notifiers: how people are told what happened."""
