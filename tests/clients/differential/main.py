"""One scenario on this server and on Synapse: where do their answers differ?

Run by `cargo xtask test clients` with the addresses of both. Each noted answer is one fact; the last line
counts them. `names.py` says what is replaced before comparing, `accepted.py` which differences are meant.
"""

import json
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor

from accepted import Accepted
from difference import differences
from scenario import play
from server import Server


def played(server):
    try:
        play(server)
    except Exception:
        print(f"{server.label}: the scenario stopped\n{traceback.format_exc()}")
    normal = server.names.normal
    return {label: normal(note) for label, note in server.notes.items()}


def main(ours, synapse, dump=None):
    servers = [Server("Sealpost", ours), Server("Synapse", synapse)]
    with ThreadPoolExecutor() as both:
        mine, other = both.map(played, servers)
    if dump:
        with open(dump, "w") as file:
            json.dump({"ours": mine, "synapse": other}, file, indent=1)
    accepted, passed, failed = Accepted(), 0, 0
    for label in mine | other:
        found = list(differences(mine.get(label), other.get(label)))
        left = [(path, text) for path, text in found if not accepted.covers(label, path)]
        passed, failed = (passed, failed + 1) if left else (passed + 1, failed)
        print(f"{'not ok' if left else 'ok'} - {label}")
        for path, text in left:
            print(f"    {path}: {text}")
    for label, path in accepted.unused():
        print(f"not ok - accepted, but no difference: {label} {path}")
        failed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main(*sys.argv[1:]))
