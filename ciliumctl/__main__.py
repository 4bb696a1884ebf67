"""Run the command line with `python -m ciliumctl`."""

from ciliumctl.cli import main

main()
