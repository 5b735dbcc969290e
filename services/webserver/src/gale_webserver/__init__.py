"""Gale's webserver: the REST API, the login and the web page."""
