"""`python -m gale_flower_proxy` = `gale flower`."""

from gale_flower_proxy.cli import flower

if __name__ == "__main__":
    flower()
