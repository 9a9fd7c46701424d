"""Who and what the scenario is about."""


class World:
    def __init__(self, server):
        self.server = server
        self.alice, self.bob, self.carol = (server.register(n) for n in ("alice", "bob", "carol"))
        self.everybody = (self.alice, self.bob, self.carol)
        self.garden = self.shed = self.attic = self.space = ""
        self.events = {}
