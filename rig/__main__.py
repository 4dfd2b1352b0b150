"""`python -m rig` is the command `rig`."""

from rig.cli.app import main

if __name__ == "__main__":
    main()
