"""The command line: `trainlet --help`."""
