"""Names in place of what no two servers have in common: ids, times, tokens and hashes."""

import re

EVENT = re.compile(r"\$[A-Za-z0-9_-]{43}")
ROOM = re.compile(r"![A-Za-z0-9_-]{43}|![A-Za-z]{18}:SERVER")
TIMES = {"age", "origin_server_ts", "ts", "last_active_ago", "last_seen_ts", "creation_ts"}
TIMES |= {"expires_ts", "received_ts", "timestamp", "expires_in_ms", "age_ts"}
TOKENS = {"next_batch", "prev_batch", "start", "end", "pos", "from", "next_token", "prev_token"}
TOKENS |= {"session", "access_token", "refresh_token", "last_seen_ip", "last_seen_user_agent"}
# Names of proposals that Synapse still uses for what is in the specification.
STABLE = {"org.matrix.msc4222.state_after": "state_after"}


class Names:
    def __init__(self):
        self.server = ""
        self.given = {}

    def give(self, identifier, name):
        """The first name stays."""
        if identifier:
            self.given.setdefault(identifier, name)

    def of(self, identifier):
        return self.given.get(identifier, identifier)

    def replaced(self, text):
        """A text with names for every id in it."""
        for identifier, name in self.given.items():
            if identifier in text:
                text = text.replace(identifier, name)
        text = text.replace(self.server, "SERVER")
        return ROOM.sub("!unnamed", EVENT.sub("$unnamed", text))

    def normal(self, value, key=""):
        """An answer with names in it, and kinds in place of times and tokens. What is empty is left out: to a
        client it is the same as what is not there."""
        if isinstance(value, dict):
            stable = {STABLE.get(k, k): v for k, v in value.items()}
            normal = {self.replaced(k): self.normal(v, k) for k, v in stable.items()}
            return {k: v for k, v in normal.items() if v not in ({}, [], None)}
        if isinstance(value, list):
            return [self.normal(item) for item in value]
        if key in TIMES and isinstance(value, (int, float)):
            return "<time>"
        if key in TOKENS and isinstance(value, str):
            return "<token>"
        if key == "error" and isinstance(value, str):
            return "<words>"
        return self.replaced(value) if isinstance(value, str) else value
