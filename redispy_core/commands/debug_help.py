"""What DEBUG HELP says. DEBUG has no subcommand rows, so its lines stand here."""

from ..proto.replies import Status

SUBCOMMANDS = (
    ("ASSERT", "Ends the server by a failed assertion."),
    ("CHANGE-REPL-ID", "Takes new replication IDs."),
    ("CONFIG-REWRITE-FORCE-ALL", "Writes the configuration file with all settings, defaults too."),
    ("DICT-RESIZING <0|1>", "Lets the tables of keys grow and shrink, or not."),
    ("DIGEST", "A digest of all data: equal for equal content."),
    ("DIGEST-VALUE [<key> ...]", "The digest of each value; zeros for a missing key."),
    ("ERROR <string>", "Replies with that error."),
    ("HTSTATS <dbid> [full]", "Tells of a database's tables."),
    ("HTSTATS-KEY <key> [full]", "Tells of the table in a value."),
    ("LEAK <string>", "Loses the memory of a copy of the string."),
    ("LISTPACK <key>", "Prints what is known of a listpack to the standard output."),
    ("LOG <message>", "Writes to the server's log."),
    ("OBJECT <key>", "Tells how a value is kept."),
    ("PANIC", "Ends the server as an impossible state would."),
    ("PAUSE-CRON <0|1>", "Lets the server's timed work rest, or not."),
    ("POPULATE <count> [<prefix>] [<size>]", "Creates that many string keys; those that exist stay."),
    ("PROTOCOL <type>", "Replies with a value of that type: string, integer, double, bignum, null, array, set, map, "
                        "attrib, push, verbatim, true or false."),
    ("QUICKLIST-PACKED-THRESHOLD <size>", "From this length on an element gets a node of its own; 0: as usual."),
    ("REPLYBUFFER <PEAK-RESET-TIME|RESIZING> <value>", "When reply buffers shrink."),
    ("SDSLEN <key>", "Lengths and capacities of a key and its string."),
    ("SEGFAULT", "Ends the server by an invalid access."),
    ("SET-ACTIVE-EXPIRE <0|1>", "Removes expired keys in the background, or only when somebody looks."),
    ("SET-DISABLE-DENY-SCRIPTS <0|1>", "Allows scripts the commands that they are denied, or not."),
    ("SET-SKIP-CHECKSUM-VALIDATION <0|1>", "Believes payloads of RESTORE and RDB files, or checks them."),
    ("SLEEP <seconds>", "Stops the server for a while; decimals are fine."),
    ("STRUCTSIZE", "Sizes of internal structures."),
    ("HELP", "Explains the subcommands."),
)

HELP_LINES = [Status(b"DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")]
for usage, meaning in SUBCOMMANDS:
    HELP_LINES += [Status(usage.encode()), Status(b"    " + meaning.encode())]
