"""Who people are and what they may do: roles, passwords, sessions, tokens. Shared by all that serve pages."""
