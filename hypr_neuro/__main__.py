"""`python -m hypr_neuro` is the command line."""

from hypr_neuro.cli import main

if __name__ == "__main__":
    main()
