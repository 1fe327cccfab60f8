"""`python -m gateway` and the `gateway` command."""

from __future__ import annotations

from gateway.cli import gateway


def main() -> None:
    """Run the command line."""
    gateway(prog_name="gateway")


if __name__ == "__main__":
    main()
