"""The command `trainlet`."""

from __future__ import annotations

from typing import Annotated

import typer

import trainlet as tl
from trainlet.cli.account import account_command
from trainlet.cli.audit import audit_command
from trainlet.cli.check import check_command
from trainlet.cli.compile import compile_command, plan_command
from trainlet.cli.demo import demo_command
from trainlet.cli.demo_fewshot import demo_fewshot_command
from trainlet.cli.explore import explore_command
from trainlet.cli.export import export_command
from trainlet.cli.fleet import fleet_command
from trainlet.cli.library import library_command
from trainlet.cli.pretrain import pretrain_app
from trainlet.cli.profile import profile_command
from trainlet.cli.run import run_command
from trainlet.cli.scheme import scheme_command
from trainlet.cli.screen import Commands
from trainlet.cli.search import search_command
from trainlet.cli.state import state_app
from trainlet.cli.targets import targets_command

app = typer.Typer(cls=Commands, no_args_is_help=True, add_completion=False)
app.command("compile")(compile_command)
app.command("plan")(plan_command)
app.command("profile")(profile_command)
app.command("account")(account_command)
app.command("check")(check_command)
app.command("audit")(audit_command)
app.command("run")(run_command)
app.command("targets")(targets_command)
app.command("scheme")(scheme_command)
app.command("search")(search_command)
app.command("library")(library_command)
app.command("export")(export_command)
app.command("explore")(explore_command)
app.command("fleet")(fleet_command)
app.command("demo")(demo_command)
app.command("demo-fewshot")(demo_fewshot_command)
app.add_typer(pretrain_app, name="pretrain")
app.add_typer(state_app, name="state")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"trainlet {tl.__version__}")
        raise typer.Exit


@app.callback()
def main(
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of errors")] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="show the version and exit"
        ),
    ] = False,
) -> None:
    """Compile a pretrained network, an update scheme and a memory budget into a C trainer."""
