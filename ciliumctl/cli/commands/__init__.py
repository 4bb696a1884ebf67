"""One file per command, one folder per group; see `ciliumctl.cli.loading`."""
