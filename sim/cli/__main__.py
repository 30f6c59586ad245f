"""`python -m sim.cli` is the command `liverush`."""

from sim.cli import main

if __name__ == "__main__":
    main()
