"""Configuration that is refused, with the reasons, and a file to rewrite: for redispy and for real servers alike."""

ONE_OF = "argument(s) must be one of the following: "
INTEGER, MEMORY = "argument couldn't be parsed into an integer", "argument must be a memory value"
REFUSED = [
    ("maxmemory", "x", MEMORY), ("maxmemory", "-1", MEMORY), ("maxmemory", "1.5gb", MEMORY),
    ("maxmemory", "1tb", MEMORY),
    ("maxmemory", " 10", MEMORY), ("maxmemory", "100%", MEMORY), ("maxmemory", str(2**64), MEMORY),
    ("maxmemory-clients", "101%", "percentage argument must be less or equal to 100"),
    ("maxmemory-clients", "-5", "argument must be a memory or percent value"),
    ("maxmemory-clients", "%", "argument must be a memory or percent value"),
    ("appendonly", "maybe", "argument must be 'yes' or 'no'"),
    ("activerehashing", "1", "argument must be 'yes' or 'no'"),
    ("hz", "abc", INTEGER), ("hz", "", INTEGER), ("hz", " 5", INTEGER), ("hz", "+5", INTEGER), ("hz", "007", INTEGER),
    ("hz", "1.5", INTEGER), ("hz", "-0", INTEGER), ("hz", "9" * 30, INTEGER), ("hz", "٣", INTEGER),
    ("hz", "-1", "argument must be between 0 and 2147483647 inclusive"),
    ("port", "99999", "argument must be between 0 and 65535 inclusive"),
    ("slowlog-log-slower-than", "-2", "argument must be between -1 and 9223372036854775807 inclusive"),
    ("proto-max-bulk-len", "100", "argument must be between 1048576 and 9223372036854775807 inclusive"),
    ("repl-backlog-size", "0", "argument must be between 1 and 9223372036854775807 inclusive"),
    ("maxclients", "0", "argument must be between 1 and 4294967295 inclusive"),
    ("tracking-table-max-keys", "1kb", INTEGER),
    ("maxmemory-policy", "foo", ONE_OF + "volatile-lru, volatile-lfu, volatile-random, volatile-ttl, allkeys-lru, "
                                         "allkeys-lfu, allkeys-random, noeviction"),
    ("loglevel", "x", ONE_OF + "debug, verbose, notice, warning, nothing"),
    ("shutdown-on-sigint", "", ONE_OF + "default, save, nosave, now, force"),
    ("shutdown-on-sigint", "save nosave", "shutdown options SAVE and NOSAVE can't be used simultaneously"),
    ("oom-score-adj-values", "1 2", "wrong number of arguments"),
    ("oom-score-adj-values", "a 2 1", "Invalid oom-score-adj-values, elements must be between -2000 and 2000."),
    ("oom-score-adj-values", "0 1 2001", "Invalid oom-score-adj-values, elements must be between -2000 and 2000."),
    ("save", "900", "Invalid save parameters"), ("save", "900 x", "Invalid save parameters"),
    ("save", "0 1", "Invalid save parameters"), ("save", "900 -1", "Invalid save parameters"),
    ("save", " 900  1 ", "Invalid save parameters"), ("save", '"" ""', "Invalid save parameters"),
    ("notify-keyspace-events", "q", "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."),
    ("client-output-buffer-limit", "normal 0 0", "Wrong number of arguments in buffer limit configuration."),
    ("client-output-buffer-limit", "normal 1 1 1 ", "Wrong number of arguments in buffer limit configuration."),
    ("client-output-buffer-limit", "foo 0 0 0", "Invalid client class specified in buffer limit configuration."),
    ("client-output-buffer-limit", "master 0 0 0", "Invalid client class specified in buffer limit configuration."),
    ("client-output-buffer-limit", "normal x 0 0",
     "Error in hard, soft or soft_seconds setting in buffer limit configuration."),
    ("client-output-buffer-limit", "normal 0 0 -1",
     "Error in hard, soft or soft_seconds setting in buffer limit configuration."),
    ("latency-tracking-info-percentiles", "101",
     "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"),
    ("latency-tracking-info-percentiles", "1  2", "Invalid latency-tracking-info-percentiles parameters"),
    ("latency-tracking-info-percentiles", "nan", "Invalid latency-tracking-info-percentiles parameters"),
    ("bind", " ".join("123456789abcdefgh"), "Too many bind addresses specified."),
    ("proc-title-template", "{x}", "template format is invalid or contains unknown variables"),
    ("proc-title-template", "", "template format is invalid or contains unknown variables"),
    ("proc-title-template", "{title", "template format is invalid or contains unknown variables"),
    ("cluster-announce-hostname", "a b", "Hostnames may only contain alphanumeric characters, hyphens or dots"),
    ("cluster-announce-hostname", "x" * 256, "Hostnames must be less than 256 characters"),
    ("cluster-announce-human-nodename", "!", "Announced human node name contained invalid character"),
    ("cluster-announce-client-ipv4", "x", "Invalid IPv4 address"),
    ("cluster-announce-client-ipv6", "1.2.3.4", "Invalid IPv6 address"),
    ("locale-collate", "xx_YY", "Invalid locale name"),
    ("databases", "5", "can't set immutable config"), ("dir", "/", "can't set protected config"),
    ("replicaof", "a 1", "can't set immutable config")]

BAD = "Bad directive or wrong number of arguments"
FATAL = [
    ("nosuch 1", BAD), ("hz", "wrong number of arguments"), ("hz 1 2", "wrong number of arguments"),
    ("hz abc", INTEGER),
    ('hz ""', INTEGER), ("appendonly maybe", "argument must be 'yes' or 'no'"), ("maxmemory x", MEMORY),
    ("port 99999", "argument must be between 0 and 65535 inclusive"), ("save 900", "Invalid save parameters"),
    ('save 900 1 ""', "Invalid save parameters"), ("save '900 1' '3 4'", "Invalid save parameters"),
    ("dir /nonexistent/x", "No such file or directory"), ("replicaof a", "wrong number of arguments"),
    ("replicaof host abc", "Invalid master port"), ("replicaof a 70000", "Invalid master port"),
    ("replicaof a -1", "Invalid master port"), ("slaveof a b c", "wrong number of arguments"), ("user", BAD),
    ("include", BAD),
    ("include a b", BAD), ("rename-command get", BAD), ("loadmodule", BAD),
    ('hz "10', "Unbalanced quotes in configuration line"),
    ("hz '10", "Unbalanced quotes in configuration line"), ('hz "10"x', "Unbalanced quotes in configuration line"),
    ("hz 10 # c", "wrong number of arguments"),
    ("unixsocketperm 800", "argument couldn't be parsed as an octal number"),
    ("unixsocketperm 1000", "argument must be between 0 and 777 inclusive"), ("vm-enabled yes", BAD), ('"" x', BAD),
    ("dbfilename a/b", "dbfilename can't be a path, just a filename"),
    ("appendfilename a/b", "appendfilename can't be a path, just a filename"),
    ("appenddirname a/b", "appenddirname can't be a path, just a dirname"),
    ('appendfilename ""', "appendfilename can't be empty"), ("sentinel monitor a b 1 2",
                                                             "sentinel directive while not in sentinel mode"),
    ("bind=127.0.0.1", "Module config specified without value"),
    ("notify-keyspace-events A B", "wrong number of arguments")]

FILE = '''# top comment

hz 10
   timeout    0
# middle
slave-priority 50
save 900 1
save 300 10
# after saves
maxmemory 1gb
maxmemory 2gb
user alice on
client-output-buffer-limit normal 0 0 0
client-output-buffer-limit slave 256mb 64mb 60
client-output-buffer-limit pubsub 32mb 8mb 60
rename-command DEBUG mydebug
requirepass ""
masterauth "a b\\x01\\n"
include /dev/null
notify-keyspace-events ""
bind 127.0.0.1 -::1
appendonly no
'''
