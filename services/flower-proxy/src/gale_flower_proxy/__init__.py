"""Flower behind the login and the roles of Gale: Flower itself knows neither, so nobody but this proxy reaches it."""
