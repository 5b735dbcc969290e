"""`python -m gale_webserver` = `gale webserver`."""

from gale_webserver.cli import webserver

if __name__ == "__main__":
    webserver()
