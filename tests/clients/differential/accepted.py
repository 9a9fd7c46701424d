"""Differences that are meant, each with its reason. One that no longer shows is a failure."""

from fnmatch import fnmatchcase

# Label of the note, path below its answer, reason.
ACCEPTED = [
    # Events.
    ("*", "*/age", "Synapse also writes events as its first API had them: fields of `unsigned` beside it"),
    ("*", "*/user_id", "the same: `sender` under its old name"),
    ("*", "*]/prev_content", "the same"),
    ("*", "*]/replaces_state", "the same"),
    ("*", "*/redacted_because", "the same, and with `unsigned` inside of `unsigned`"),
    ("*", "*/redacted_because/*", "the same"),
    ("*", "*m.topic/m.text/*/mimetype", "only Sealpost says `text/plain`, which is the default"),
    ("*", "*/events/m.call.invite", "Synapse asks for power to call in public rooms"),
    ("*", "*!twelfth create 1]/room_id", "Synapse tells it also in a sync"),
    ("*", "*]/unsigned/prev_*", "Synapse leaves it out of state that goes with a timeline"),
    ("*", "*/m.relations/*/unsigned/membership", "Synapse leaves it out of what is bundled"),
    ("threads*", "*/transaction_id", "Synapse leaves it out of threads"),
    # Defaults that only one of the two writes down.
    ("*", "*/limited", "only Synapse says `false`, which is the default"),
    ("whoami", "/body/is_guest", "the same"),
    ("public *", "*/join_rule", "only Synapse says `public`, which is the default"),
    ("hierarchy*", "*/join_rule", "the same"),
    ("summary*", "/body/join_rule", "the same"),
    ("token that has ended", "/body/soft_logout", "only Synapse says `false`, which is the default"),
    ("*", "*/actions/[[]highlight]", "Synapse's default rules say `highlight: false`, the specification's nothing"),
    # Push.
    ("*", "*/[[].m.rule.contains_*", "Synapse has rules that the specification dropped in v1.17"),
    ("*", "*/content", "the same"),
    ("*", "*/[[].m.rule.roomnotif]", "the same"),
    ("*", "*/[[].im.vector.jitsi]", "a rule of Synapse's own"),
    ("*sync*", "*/notification_count", "who sends an event has read what is before it; in sliding sync Synapse says 0"),
    ("*sync*", "*/highlight_count", "the same"),
    ("notifications*", "*/unsigned", "Synapse tells the age"),
    ("notifications*", "*/read", "who sends an event has read what is before it"),
    ("notifications*", "/body/next_token", "Synapse gives one where nothing follows"),
    # Sync.
    ("*sync*", "/body/rooms/join/*/summary", "Synapse tells summaries only with lazily loaded members"),
    ("*sync*", "/body/presence*", "told at another time"),
    ("*sliding*", "*/ops", "MSC4186 has none any more"),
    ("*sliding*", "*/bump_stamp", "positions of the server's own"),
    ("*sliding*", "*/heroes", "Synapse also tells them of rooms that have a name"),
    ("sliding sync of *", "/body/rooms/!attic", "Synapse tells of invitations again"),
    ("sliding sync of *", "/body/rooms/!shed", "the same"),
    ("sync with a gap and all state", "*account_data", "Synapse tells that again, too, and of rooms without news"),
    ("sync with a gap and all state", "*/timeline", "the same"),
    ("* who is back", "*/ephemeral", "the receipts are new to who comes into a room"),
    ("* who is back", "*/state/*", "Synapse trusts that the members are still known"),
    ("sync of alice after comings*", "/body/rooms/leave", "Synapse also tells of an invitation refused before the next"),
    ("*sync of alice after comings*", "*/device_lists/*", "Synapse also has who left again since, in both lists"),
    ("*sync of bob after comings*", "*/device_lists/*", "the same, and one's own devices"),
    ("sync with a gap and all state", "/body/device_lists", "the same"),
    ("* who is back", "/body/device_lists/*", "the same"),
    ("lazy sync of carol after comings*", "/body/rooms/leave/!garden/*", "Synapse shows only the last of her leavings"),
    ("messages for who has left", "/body/chunk/*", "a ban that is lifted while they are out is not in their history"),
    ("sync*", "*!attic/state*/events/[[]$!attic member @alice:SERVER ?]", "Synapse has a leave twice, as state and after it"),
    ("sync*", "*!shed/state/events/[[]*member*", "Synapse leaves out what one's own join replaced"),
    ("sync: some types", "*/timeline", "Synapse gives a token where there is nothing to show"),
    ("*sync*", "*!new*/timeline/*", "the order in which an upgrade sets the new room's state"),
    ("sync: one room", "*/account_data", "Synapse leaves it out where rooms are chosen"),
    ("sync: not one room", "/body/rooms/join/!garden", "Synapse has that room's account data"),
    ("sync: no messages of alice", "*/state/events/*", "Sealpost also tells what the filter takes out of the timeline"),
    ("sync: format of the federation", "*", "Synapse adds ids and what `unsigned` says here"),
    # What came before sync.
    ("initial sync of a room", "/body/visibility", "Synapse leaves it out"),
    ("initial sync", "*/invite/*", "Synapse also writes fields of `unsigned` beside it"),
    ("initial sync", "*/inviter", "a field of Synapse's own"),
    ("initial sync", "*m.push_rules]", "account data has the push rules, too"),
    ("initial sync", "*/messages/chunk/[[]$!new*", "the order in which an upgrade sets the new room's state"),
    ("initial sync", "*/transaction_id", "Synapse leaves it out here"),
    ("initial sync", "/body/rooms/order", "there is none"),
    # Errors.
    ("preset that is not there", "/body/errcode", "Synapse says M_BAD_JSON"),
    ("avatar that is not set", "*", "the specification wants M_NOT_FOUND since v1.16"),
    ("profile of nobody", "*", "Synapse looks for another server: its own is named differently here"),
    ("canonical alias that is none", "*", "the same"),
    ("messages without a direction", "*", "the specification wants one"),
    ("* wrong token", "/body/errcode", "Synapse says M_UNKNOWN"),
    ("receipt of an unknown kind", "/body/errcode", "the same"),
    ("relations of nothing", "/body/errcode", "the same"),
    ("typing for another", "/status", "Synapse says that it is a bad request"),
    ("another key of the same id", "/body/errcode", "Synapse says M_BAD_JSON"),
    ("keys of a device that is not this", "/body/errcode", "the same"),
    ("signature*", "/body/failures/*", "Synapse has `status` and `message`, as in no other answer"),
    ("rule without a pattern", "/body/errcode", "the same"),
    ("rule of an unknown kind", "/body/errcode", "the same"),
    ("unban who is not banned", "/body/errcode", "the specification has M_FORBIDDEN, Synapse M_BAD_STATE"),
    ("join in spite of a ban", "/body/errcode", "the same"),
    ("invite nobody", "/body/errcode", "a user id that is none is faulty JSON here"),
    ("to a wrong version", "*", "the specification wants M_WRONG_ROOM_KEYS_VERSION, and which is the right one"),
    ("to-device without messages", "/body/errcode", "a field that is missing is faulty JSON here"),
    ("sync with an unknown filter", "*", "it is not found here"),
    ("sync with a faulty filter", "/body/errcode", "Synapse says M_UNKNOWN"),
    ("sliding sync with a wrong position", "/body/errcode", "M_UNKNOWN_POS is what the proposal wants"),
    # Others.
    ("login", "/body/home_server", "the specification no longer has it"),
    ("ways to log in", "/body/flows/*", "Synapse has application services, Sealpost tokens from other devices"),
    ("public rooms with a word", "*/total_room_count_estimate", "Synapse counts what does not fit, too"),
    ("members *", "*/order", "there is none"),
    ("all messages *", "/body/end", "there is nothing more"),
    ("turn server", "*", "there is none: Synapse answers with nothing"),
]

# What differs in some runs only.
SOMETIMES = [
    ("sync: some types", "*/state/events/*", "Synapse's choice when the filter leaves few events"),
]


class Accepted:
    def __init__(self):
        self.seen = set()

    def covers(self, label, path):
        for entry in ACCEPTED + SOMETIMES:
            if fnmatchcase(label, entry[0]) and fnmatchcase(path, entry[1]):
                self.seen.add(entry)
                return True
        return False

    def unused(self):
        return [entry[:2] for entry in ACCEPTED if entry not in self.seen]
