"""`python -m aiops` is `aiops`."""

from aiops.cli import main

if __name__ == "__main__":
    main()
