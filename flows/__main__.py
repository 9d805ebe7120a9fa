"""Entry point of ``touchstone`` and ``python -m flows``."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line and leave with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one verb; returns the exit code. The one place of the program that catches every exception."""
    from flows.cli.app import app
    from flows.cli.errors import EXIT_DONE, EXIT_INTERRUPTED
    from flows.cli.session import interrupt_on_termination

    interrupt_on_termination()
    try:
        code = app(args=arguments, prog_name="touchstone", standalone_mode=False)
    except SystemExit as leave:
        if not isinstance(leave.__context__, BrokenPipeError):
            raise
        # `touchstone … | head`: nobody reads on, so nothing is left to say; typer would call it exit code 1.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return EXIT_DONE
    except (Exception, KeyboardInterrupt) as error:
        return _report(error, arguments)
    if code == EXIT_INTERRUPTED:  # typer has caught the interrupt itself
        return _report(KeyboardInterrupt(), arguments)
    return code if isinstance(code, int) else EXIT_DONE


def _report(error: BaseException, arguments: list[str]) -> int:
    """Say what happened: red on stderr, and as the one JSON document where that was asked for."""
    from flows.cli.errors import NotPassedError, describe, exit_code_of
    from flows.cli.session import notes, to_json
    from tasks.settings import Settings

    code = exit_code_of(error)
    if isinstance(error, NotPassedError):
        return code
    text = describe(error, Settings().logs_folder)
    notes().print(text, style="bold red", markup=False, soft_wrap=True)
    if "--json" in arguments:
        sys.stdout.write(to_json({"error": {"kind": type(error).__name__, "message": text, "exit_code": code}}) + "\n")
    return code


if __name__ == "__main__":
    main()
