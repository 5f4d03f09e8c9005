"""`python -m trainlet` is `trainlet`."""

from trainlet.cli.main import app

app(prog_name="trainlet")
