"""The command line: arguments in, one library call, results to stdout, exit code out."""

from genesem_train.cli.app import app, main

__all__ = ["app", "main"]
