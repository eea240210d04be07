"""The command `ionmc`, also as `python -m mc`."""

from mc.cli import cli


def main() -> None:
    """Run the command line."""
    cli(prog_name="ionmc")


if __name__ == "__main__":
    main()
