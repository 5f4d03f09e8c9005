"""`python -m trainlet` is `trainlet`."""

from trainlet.cli.entry import main

main()
