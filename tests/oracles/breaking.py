"""Run by datacontract-cli's own Python: what it says of pairs of contracts, as JSON; it imports nothing of ours.

Contracts come as documents: as text each would be held against the standard's schema, and that schema against its own
again. `datacontract lint` does that with our contracts.
"""

import json
import sys
from pathlib import Path

from datacontract.data_contract import DataContract
from open_data_contract_standard.model import OpenDataContractStandard


def main(pairs: str, verdicts: str) -> None:
    """Judge every pair of documents in the first file, and write whether it breaks consumers, and by which entries."""
    said = []
    for old, new in json.loads(Path(pairs).read_text()):
        before, after = (
            DataContract(data_contract=OpenDataContractStandard(**document), inline_references=False)
            for document in (old, new)
        )
        result = before.breaking(after, perspective="consumer")
        entries = [(entry.path, entry.rule_id, entry.level.value) for entry in result.entries]
        said.append({"breaks": result.is_breaking, "entries": entries})
    Path(verdicts).write_text(json.dumps(said))


if __name__ == "__main__":
    main(*sys.argv[1:])
