"""`python -m rig` is the command `rig`."""

import signal


def main() -> None:
    """Run the command line. Ctrl-C while it is being loaded ends it without a word: nothing has been begun."""
    is_asked = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # a shell's background job ignores it
    if is_asked:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from rig.cli.app import main as run

    if is_asked:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        run()
    except KeyboardInterrupt:
        raise SystemExit(128 + signal.SIGINT) from None  # as a shell tells of it


if __name__ == "__main__":
    main()
