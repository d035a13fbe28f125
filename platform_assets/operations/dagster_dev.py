"""Dagster's own command line, without two warnings that nobody who calls `platform dev` can mend.

One says that `dg dev` is to be used, which wants a project of its own kind. The other says that the `dagster.yaml` of
the folder is not the one in `DAGSTER_HOME`: `make` copied it there.
"""

import logging
import warnings

_SUPERSEDED = r"Function `dev_command` is superseded"
_COPIED = "Found a dagster instance configuration value"


def main() -> None:
    """Run `dagster` with the arguments of this process."""
    from dagster._cli import main as dagster  # noqa: PLC0415 - whoever names this module needs no Dagster

    warnings.filterwarnings("ignore", message=_SUPERSEDED)
    logging.getLogger("dagster").addFilter(lambda record: not record.getMessage().startswith(_COPIED))
    dagster()  # type: ignore[no-untyped-call] # the entry point of Dagster's own command


if __name__ == "__main__":
    main()
