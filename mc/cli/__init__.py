"""The command line: commands, messages, exit status. A command's module is imported when it is called."""

import importlib

import click

from mc.cli.messages import exit_on_input_error

_COMMANDS = {
    "run": ("mc.cli.run", "Simulate a scenario, record it and compare it with theory."),
    "resume": ("mc.cli.resume", "Go on with a run that was interrupted or killed."),
    "rerun": ("mc.cli.rerun", "Repeat a recorded run and say whether the result is identical."),
    "branch": ("mc.cli.branch", "Go on from a moment of a run with another seed or other numbers."),
    "check": ("mc.cli.check", "Say what a scenario implies, without running it."),
    "compare": ("mc.cli.compare", "Run a scenario on several engines and say where they differ."),
    "sweep": ("mc.cli.sweep", "Run a scenario at many points, several times each, and compare with theory."),
    "plot": ("mc.cli.plot", "Draw the figures of a recorded run."),
    "watch": ("mc.cli.watch", "Watch a run while it is going on."),
    "report": ("mc.cli.report", "Write a page about a recorded run, with its ions in motion."),
    "export": ("mc.cli.export", "Write a recorded run in the format of another program."),
    "animate": ("mc.cli.animate", "Animate the ions of a recorded run."),
    "proteins": ("mc.cli.proteins", "List the library of proteins, or print one of them."),
    "validate": ("mc.cli.validate", "Check the macroscopic equations against simulations."),
    "theory": ("mc.cli.theory", "Compute Nernst and GHK potentials."),
}
"""Module and summary of each command; every module has its click command under the name `command`."""


class _LazyGroup(click.Group):
    """A group that lists its commands without importing them, and turns input errors into messages."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _ = _COMMANDS[cmd_name]
        command: click.Command = importlib.import_module(module).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in _COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> object:
        with exit_on_input_error():
            try:
                return super().invoke(ctx)
            except click.UsageError as error:
                # What a shell makes of --set channels.K leak.count=5: the second half is an argument of its own.
                if "extra argument" not in error.message or "=" not in error.message:
                    raise
                hint = 'what holds spaces goes into quotes: --set "channels.K leak.count=5"'
                raise click.UsageError(f"{error.message}; {hint}", error.ctx) from error


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ionmc", prog_name="ionmc")
def cli() -> None:
    """A membrane potential, one ion at a time.

    Simulates the diffusion, channels and pumps of a membrane patch ion by ion, from a scenario file.
    """
