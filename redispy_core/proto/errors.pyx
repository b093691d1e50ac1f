"""Every error text that a client can read, with its code: exactly Redis's, in one place (contract: errors.pxd).

`%s` marks a place for the caller's bytes. Order is that of enum Err (checked at import).
"""

TEXTS = {

    # general
    "SYNTAX": "ERR syntax error",
    "WRONGTYPE": "WRONGTYPE Operation against a key holding the wrong kind of value",
    "NO_SUCH_KEY": "ERR no such key",
    "OUT_OF_RANGE": "ERR index out of range",
    "SAME_OBJECT": "ERR source and destination objects are the same",
    "NOT_INT": "ERR value is not an integer or out of range",
    "NOT_FLOAT": "ERR value is not a valid float",
    "NOT_POSITIVE": "ERR value is out of range, must be positive",
    "NOT_BETWEEN": "ERR value is out of range, value must between %s and %s",
    "VALUE_RANGE": "ERR value is out of range",
    "OVERFLOW": "ERR increment or decrement would overflow",
    "DECR_OVERFLOW": "ERR decrement would overflow",
    "NAN_INF": "ERR increment would produce NaN or Infinity",
    "DB_INDEX": "ERR DB index is out of range",
    "DB_INDEX_INVALID": "ERR invalid DB index",
    "DB_FIRST": "ERR invalid first DB index",
    "DB_SECOND": "ERR invalid second DB index",
    "INVALID_EXPIRE": "ERR invalid expire time in '%s' command",
    "CURSOR": "ERR invalid cursor",
    "OOM_ALLOC": "ERR insufficient memory for this operation",
    "ARITY": "ERR wrong number of arguments for '%s' command",
    "UNKNOWN_COMMAND": "ERR unknown command '%s', with args beginning with: %s",
    "UNKNOWN_SUBCOMMAND": "ERR unknown subcommand '%s'. Try %s HELP.",
    "UNKNOWN_SUBCOMMAND_OR_ARITY": "ERR unknown subcommand or wrong number of arguments for '%s'. Try %s HELP.",
    "EXPIRE_NX": "ERR NX and XX, GT or LT options at the same time are not compatible",
    "EXPIRE_GT_LT": "ERR GT and LT options at the same time are not compatible",
    "UNSUPPORTED_OPTION": "ERR Unsupported option %s",
    "UNKNOWN_TYPE": "ERR unknown type name '%s'",
    # strings and bitmaps
    "TOO_LONG": "ERR string exceeds maximum allowed size (proto-max-bulk-len)",
    "OFFSET_RANGE": "ERR offset is out of range",
    "BIT_OFFSET": "ERR bit offset is not an integer or out of range",
    "BIT_VALUE": "ERR bit is not an integer or out of range",
    "BIT_ARG": "ERR The bit argument must be 1 or 0.",
    "BITOP_NOT": "ERR BITOP NOT must be called with a single source key.",
    "BITOP_DIFF": "ERR BITOP %s must be called with at least two source keys.",
    "BITFIELD_TYPE": "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
    "BITFIELD_OVERFLOW": "ERR Invalid OVERFLOW type specified",
    "BITFIELD_RO": "ERR BITFIELD_RO only supports the GET subcommand",
    "LCS_TYPES": "ERR The specified keys must contain string values",
    "LCS_BOTH": "ERR If you want both the length and indexes, please just use IDX.",
    "LCS_TOO_LONG": "ERR String too long for LCS",
    "MSETNX_ARITY": "ERR wrong number of arguments for MSET",
    # connection
    "NOAUTH": "NOAUTH Authentication required.",
    "NOAUTH_HELLO": "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> "
                    "AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol "
                    "version at the same time",
    "NOPROTO": "NOPROTO unsupported protocol version",
    "PROTO_NOT_INT": "ERR Protocol version is not an integer or out of range",
    "HELLO_OPTION": "ERR Syntax error in HELLO option '%s'",
    "WRONGPASS": "WRONGPASS invalid username-password pair or user is disabled.",
    "AUTH_NO_PASSWORD": "ERR AUTH <password> called without any password configured for the default user. Are you "
                        "sure your configuration is correct?",
    "CLIENT_NAME": "ERR Client names cannot contain spaces, newlines or special characters.",
    "CLIENT_INFO_VALUE": "ERR %s cannot contain spaces, newlines or special characters.",
    "CLIENT_OPTION": "ERR Unrecognized option '%s'",
    "NO_SUCH_CLIENT": "ERR No such client",
    "RESET_INTERNAL": "ERR can only reset normal client connections",
    "SUBSCRIBED": "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed "
                  "in this context",
    "MAXCLIENTS": "ERR max number of clients reached",
    # protocol: the connection is closed after these
    "PROTO_MULTIBULK": "ERR Protocol error: invalid multibulk length",
    "PROTO_BULK": "ERR Protocol error: invalid bulk length",
    "PROTO_MBULK_STRING": "ERR Protocol error: too big mbulk count string",
    "PROTO_BULK_STRING": "ERR Protocol error: too big bulk count string",
    "PROTO_EXPECTED": "ERR Protocol error: expected '$', got '%s'",
    "PROTO_UNAUTH_MBULK": "ERR Protocol error: unauthenticated multibulk length",
    "PROTO_UNAUTH_BULK": "ERR Protocol error: unauthenticated bulk length",
    "PROTO_INLINE": "ERR Protocol error: too big inline request",
    "PROTO_QUOTES": "ERR Protocol error: unbalanced quotes in request",
    # state of the server
    "LOADING": "LOADING Redis is loading the dataset in memory",
    "BUSY_SCRIPT": "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "OOM": "OOM command not allowed when used memory > 'maxmemory'.",
    "READONLY": "READONLY You can't write against a read only replica.",
    "MASTERDOWN": "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "MISCONF": "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. "
               "Commands that may modify the data set are disabled, because this instance is configured to report "
               "errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check "
               "the Redis logs for details about the RDB error.",
    "NOREPLICAS": "NOREPLICAS Not enough good replicas to write.",
    "DEBUG_DISABLED": "ERR %s command not allowed. If the %s option is set to \"local\", you can run it from a local "
                      "connection, otherwise you need to set this option in the configuration file, and then restart "
                      "the server.",
    # transactions
    "EXEC_WITHOUT_MULTI": "ERR EXEC without MULTI",
    "DISCARD_WITHOUT_MULTI": "ERR DISCARD without MULTI",
    "NESTED_MULTI": "ERR MULTI calls can not be nested",
    "WATCH_INSIDE_MULTI": "ERR WATCH inside MULTI is not allowed",
    "EXECABORT": "EXECABORT Transaction discarded because of previous errors.",
    "EXECABORT_BECAUSE": "EXECABORT Transaction discarded because of: %s",
    "NO_MULTI": "ERR Command not allowed inside a transaction",
    # introspection
    "COMMAND_NO_KEYS": "ERR The command has no key arguments",
    "COMMAND_INVALID": "ERR Invalid command specified",
    "COMMAND_ARITY": "ERR Invalid number of arguments specified for command",
    "COMMAND_ARGS": "ERR Invalid arguments specified for command",
    "LFU_NOT_SELECTED": "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that "
                        "when switching between policies at runtime LRU and LFU data will take some time to adjust.",
    "LFU_SELECTED": "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching "
                    "between policies at runtime LRU and LFU data will take some time to adjust.",
    "PYTHON": "ERR internal error in '%s': %s",
    # collections
    "HASH_NOT_INT": "ERR hash value is not an integer",
    "HASH_NOT_FLOAT": "ERR hash value is not a float",
    "SCORE_NAN": "ERR resulting score is not a number (NaN)",
    "MIN_MAX_FLOAT": "ERR min or max is not a float",
    "MIN_MAX_LEX": "ERR min or max not valid string range item",
    "TIMEOUT_NEGATIVE": "ERR timeout is negative",
    "TIMEOUT_FLOAT": "ERR timeout is not a float or out of range",
    "TIMEOUT_INT": "ERR timeout is not an integer or out of range",
    "TIMEOUT_RANGE": "ERR timeout is out of range",
    "UNBLOCKED": "UNBLOCKED client unblocked via CLIENT UNBLOCK",
    "NO_SHUTDOWN": "ERR No shutdown in progress.",
    "PROTECTED_MODE": "DENIED Redis is running in protected mode because protected mode is enabled and no password is "
                      "set for the default user. In this mode connections are only accepted from the loopback "
                      "interface. If you want to connect from external computers to Redis you may adopt one of the "
                      "following solutions: 1) Just disable protected mode sending the command 'CONFIG SET "
                      "protected-mode no' from the loopback interface by connecting to Redis from the same host the server is "
                      "running, however MAKE SURE Redis is not publicly accessible from internet if you do so. Use "
                      "CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the "
                      "protected mode by editing the Redis configuration file, and setting the protected mode option "
                      "to 'no', and then restarting the server. 3) If you started the server manually just for "
                      "testing, restart it with the '--protected-mode no' option. 4) Set up an authentication password "
                      "for the default user. NOTE: You only need to do one of the above things in order for the server "
                      "to start accepting connections from the outside.",
    "UNBLOCKED_ROLE": "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
    # clients and DEBUG
    "SELECT_CLUSTER": "ERR SELECT is not allowed in cluster mode",
    "CLIENT_ID_POSITIVE": "ERR client-id should be greater than 0",
    "CLIENT_ID_INVALID": "ERR Invalid client ID",
    "CLIENT_TYPE": "ERR Unknown client type '%s'",
    "NO_SUCH_USER": "ERR No such user '%s'",
    "MAXAGE_INT": "ERR maxage is not an integer or out of range",
    "MAXAGE_POSITIVE": "ERR maxage should be greater than 0",
    "PAUSE_MODE": "ERR CLIENT PAUSE mode must be WRITE or ALL",
    "NOT_HASHTABLE": "ERR The value stored at the specified key is not represented using an hash table",
    "DB_OUT_OF_RANGE": "ERR Out of range database",
    "NOT_SDS": "ERR Not an sds encoded string.",
    "NOT_LISTPACK": "ERR Not a listpack encoded object.",
    "PROTOCOL_TYPE": "ERR Wrong protocol type name. Please use one of the following: "
                     "string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
    "PROTOCOL_RESP2": "ERR RESP2 is not supported by this command",
    "PACKED_THRESHOLD": "ERR argument must be a memory value bigger than 1 and smaller than 4gb",
    "DEBUG_UNAVAILABLE": "ERR %s failed: %s",
    # keys
    "NOVALUES": "ERR NOVALUES option can only be used in HSCAN",
    "NOT_IN_CLUSTER": "ERR %s is not allowed in cluster mode",
    "COPY_DB_CLUSTER": "ERR Copying to another database is not allowed in cluster mode",
    "NUMKEYS_RANGE": "ERR invalid numkeys value or out of range",
    "LCS_MEMORY": "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
    # HyperLogLog
    "HLL_TYPE": "WRONGTYPE Key is not a valid HyperLogLog string value.",
    "HLL_CORRUPT": "INVALIDOBJ Corrupted HLL object detected",
    "HLL_NOT_SPARSE": "ERR HLL encoding is not sparse",
    "HLL_SUBCOMMAND": "ERR Unknown PFDEBUG subcommand '%s'",
    "HLL_SELFTEST": "TESTFAILED HyperLogLog: %s",
    "KEY_MISSING": "ERR The specified key does not exist",
    "RANK_ZERO": "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to "
                 "start from the end of the list",
    "COUNT_NEGATIVE": "ERR COUNT can't be negative",
    "MAXLEN_NEGATIVE": "ERR MAXLEN can't be negative",
    "NUMKEYS": "ERR numkeys should be greater than 0",
    "COUNT_POSITIVE": "ERR count should be greater than 0",
    "UNBLOCK_REASON": "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR",
    # sets and SORT
    "NUMKEYS_ARGS": "ERR Number of keys can't be greater than number of args",
    "LIMIT_NEGATIVE": "ERR LIMIT can't be negative",
    "SORT_SCORE": "ERR One or more scores can't be converted into double",
    "SORT_BY_CLUSTER": "ERR BY option of SORT denied in Cluster mode when keys formed by the pattern may be in "
                       "different slots.",
    "SORT_GET_CLUSTER": "ERR GET option of SORT denied in Cluster mode when keys formed by the pattern may be in "
                        "different slots.",
    # hashes
    "HASH_VALUE_NAN": "ERR value is NaN or Infinity",
    "FIELDS_MISSING": "ERR Mandatory argument FIELDS is missing or not at the right position",
    "FIELDS_COUNT": "ERR The `numfields` parameter must match the number of arguments",
    "FIELDS_POSITIVE": "ERR Number of fields must be a positive integer",
    "FIELDS_GREATER": "ERR Parameter `numFields` should be greater than 0",
    "FIELDS_INVALID": "ERR invalid number of fields",
    "HSETEX_ARG": "ERR unknown argument: %s",
    "HSETEX_CONDITION": "ERR Only one of FXX or FNX arguments can be specified",
    "HSETEX_TTL": "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified",
    "EXPIRE_NEGATIVE": "ERR invalid expire time, must be >= 0",
    # sorted sets and places
    "ZADD_NX_XX": "ERR XX and NX options at the same time are not compatible",
    "ZADD_GT_LT_NX": "ERR GT, LT, and/or NX options at the same time are not compatible",
    "ZADD_INCR": "ERR INCR option supports a single increment-element pair",
    "ZRANGE_LIMIT": "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
    "ZRANGE_WITHSCORES": "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
    "WEIGHT": "ERR weight value is not a float",
    "INPUT_KEYS": "ERR at least 1 input key is needed for '%s' command",
    "GEO_PAIR": "ERR invalid longitude,latitude pair %s,%s",
    "GEO_UNIT": "ERR unsupported unit provided. please use M, KM, FT, MI",
    "GEO_MEMBER": "ERR could not decode requested zset member",
    "GEO_RADIUS": "ERR need numeric radius",
    "GEO_RADIUS_NEGATIVE": "ERR radius cannot be negative",
    "GEO_WIDTH": "ERR need numeric width",
    "GEO_HEIGHT": "ERR need numeric height",
    "GEO_BOX_NEGATIVE": "ERR height or width cannot be negative",
    "GEO_COUNT": "ERR COUNT must be > 0",
    "GEO_ANY": "ERR the ANY argument requires COUNT argument",
    "GEO_FROM": "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for %s",
    "GEO_BY": "ERR exactly one of BYRADIUS and BYBOX can be specified for %s",
    "GEO_STORE_WITH": "ERR %s is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
    # observers
    "DENY_BLOCKING": "ERR %s isn't allowed for DENY BLOCKING client",
    "REPLICA_KEYSPACE": "ERR Replica can't interact with the keyspace",
    "COMMANDLOG_TYPE": "ERR type should be one of the following: slow, large-request, large-reply",
    "COUNT_MINUS_ONE": "ERR count should be greater than or equal to -1",
    "NO_SAMPLES": "ERR No samples available for event '%s'",
    # streams
    "STREAM_ID": "ERR Invalid stream ID specified as stream command argument",
    "STREAM_START": "ERR invalid start ID for the interval",
    "STREAM_END": "ERR invalid end ID for the interval",
    "XADD_ZERO": "ERR The ID specified in XADD must be greater than 0-0",
    "XADD_SMALLER": "ERR The ID specified in XADD is equal or smaller than the target stream top item",
    "XADD_EXHAUSTED": "ERR The stream has exhausted the last possible ID, unable to add more items",
    "XADD_TOO_LARGE": "ERR Elements are too large to be stored",
    "TRIM_MAXLEN": "ERR The MAXLEN argument must be >= 0.",
    "TRIM_LIMIT": "ERR The LIMIT argument must be >= 0.",
    "TRIM_BOTH": "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
    "TRIM_LIMIT_ALONE": "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
    "TRIM_LIMIT_EXACT": "ERR syntax error, LIMIT cannot be used without the special ~ option",
    "XSETID_ADDED": "ERR entries_added must be positive",
    "XSETID_GIVEN_DELETED": "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
    "XSETID_DELETED": "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id",
    "XSETID_TOP": "ERR The ID specified in XSETID is smaller than the target stream top item",
    "XSETID_LENGTH": "ERR The entries_added specified in XSETID is smaller than the target stream length",
    "XREAD_UNBALANCED": "ERR Unbalanced 'xread' list of streams: for each stream key an ID, '+', or '$' must be "
                        "specified.",
    "XREADGROUP_UNBALANCED": "ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be"
                             " specified.",
    "XREAD_NEW": "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> "
                 "option.",
    "XREADGROUP_ID": "ERR The %s ID is meaningless in the context of XREADGROUP: you want to read the history of "
                     "this consumer by specifying a proper ID, or use the > ID to get new messages. The %s ID would"
                     " just return an empty result set.",
    "XREAD_OPTION": "ERR The %s option is only supported by XREADGROUP. You called XREAD instead.",
    "XREADGROUP_NO_GROUP": "ERR Missing GROUP option for XREADGROUP",
    "NOGROUP_READ": "NOGROUP No such key '%s' or consumer group '%s' in XREADGROUP with GROUP option",
    "NOGROUP_KEY": "NOGROUP No such key '%s' or consumer group '%s'",
    "NOGROUP": "NOGROUP No such consumer group '%s' for key name '%s'",
    "BUSYGROUP": "BUSYGROUP Consumer Group name already exists",
    "XGROUP_KEY": "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use "
                  "the MKSTREAM option to create an empty stream automatically.",
    "ENTRIES_READ": "ERR value for ENTRIESREAD must be positive or -1",
    "XCLAIM_MIN_IDLE": "ERR Invalid min-idle-time argument for %s",
    "XCLAIM_VALUE": "ERR Invalid %s option argument for XCLAIM",
    "XCLAIM_OPTION": "ERR Unrecognized XCLAIM option '%s'",
    "XAUTOCLAIM_COUNT": "ERR COUNT must be > 0",
    "NUMIDS_POSITIVE": "ERR Number of IDs must be a positive integer",
    "NUMIDS_MATCH": "ERR The `numids` parameter must match the number of arguments",
    "CACHING_MODE": "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or"
                    " OPTOUT mode enabled",
    "CACHING_YES": "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.",
    "CACHING_NO": "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
    "REDIRECT_ONE": "ERR A client can only redirect to a single other client",
    "REDIRECT_UNKNOWN": "ERR The client ID you want redirect to does not exist",
    "TRACKING_BCAST_OPT": "ERR OPTIN and OPTOUT are not compatible with BCAST",
    "TRACKING_OPT_BOTH": "ERR You can't specify both OPTIN mode and OPTOUT mode",
    "TRACKING_PREFIX": "ERR PREFIX option requires BCAST mode to be enabled",
    "TRACKING_PREFIX_EXISTING": "ERR Prefix '%s' overlaps with an existing prefix '%s'. Prefixes for a single"
                                " client must not overlap.",
    "TRACKING_PREFIX_GIVEN": "ERR Prefix '%s' overlaps with another provided prefix '%s'. Prefixes for a single"
                             " client must not overlap.",
    "TRACKING_SWITCH_BCAST": "ERR You can't switch BCAST mode on/off before disabling tracking for this client,"
                             " and then re-enabling it with a different mode.",
    "TRACKING_SWITCH_OPT": "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and"
                           " then re-enabling it with a different mode.",
    "IDLE_INT": "ERR idle is not an integer or out of range",
    "IDLE_POSITIVE": "ERR idle should be greater than 0",
    "FILTER_DB_INT": "ERR DB is not an integer or out of range",
    "FILTER_DB_RANGE": "ERR DB number should be between 0 and %s",
    "FILTER_NOT_DB_RANGE": "ERR NOT-DB number should be between 0 and %s",
    "FILTER_FLAGS": "ERR Unknown flags found in the provided filter: %s",
    "FILTER_NOT_FLAGS": "ERR Unknown flags found in the NOT-FLAGS filter: %s",
    "FILTER_CAPA": "ERR Unknown capa found in the provided filter: %s",
    "FILTER_NOT_CAPA": "ERR Unknown capa found in the NOT-CAPA filter: %s",
    # scripts
    "BUSY_FUNCTION": "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.",
    "NOSCRIPT": "NOSCRIPT No matching script. Please use EVAL.",
    "NOTBUSY": "NOTBUSY No scripts in execution right now.",
    "UNKILLABLE": "UNKILLABLE Sorry the script already executed write commands against the dataset."
                  " You can either wait the script termination or kill the server in a hard way "
                  "using the SHUTDOWN NOSAVE command.",
    "KEYS_NEGATIVE": "ERR Number of keys can't be negative",
    "SCRIPT_FLUSH": "ERR SCRIPT FLUSH only support SYNC|ASYNC option",
    "SCRIPT_DEBUG": "ERR Use SCRIPT DEBUG YES/SYNC/NO",
    "GENERAL": "ERR %s",
    "SCRIPT_COMPILE": "ERR Error compiling script (new function): %s",
    "SCRIPT_ERROR": "%s script: %s, on %s:%s.",
    "SCRIPT_RUN": "ERR Error running script %s, %s",
    "SCRIPT_STACK": "ERR reached lua stack limit",
    "SCRIPT_KILLED": "ERR Script killed by user with SCRIPT KILL...",
    "SHEBANG": "ERR Invalid script shebang",
    "SHEBANG_ENGINE_MISSING": "ERR Invalid engine in script shebang",
    "SHEBANG_ENGINE": "ERR Unexpected engine in script shebang: %s",
    "SHEBANG_OPTION": "ERR Unknown lua shebang option: %s",
    "SHEBANG_FLAG": "ERR Unexpected flag in script shebang: %s",
    "SCRIPT_RO": "ERR Can not execute a script with write flag using *_ro command.",
    "SCRIPT_NO_CLUSTER": "ERR Can not run script on cluster, 'no-cluster' flag is set.",
    "SCRIPT_UNAVAILABLE": "ERR Scripting is not available: %s",
    "SCRIPT_NO_ARGS": "ERR Please specify at least one argument for this redis lib call",
    "SCRIPT_ARG_TYPES": "ERR Lua redis lib command arguments must be strings or integers",
    "SCRIPT_UNKNOWN_COMMAND": "ERR Unknown Redis command called from script",
    "SCRIPT_ARITY": "ERR Wrong number of args calling Redis command from script",
    "SCRIPT_DENIED": "ERR This Redis command is not allowed from script",
    "SCRIPT_WRITE": "ERR Write commands are not allowed from read-only scripts.",
    "SCRIPT_STALE": "ERR Can not execute the command on a stale replica",
    "SCRIPT_BAD_ARGS": "ERR wrong number or type of arguments",
    "SCRIPT_SHA_ARGS": "ERR wrong number of arguments",
    "SCRIPT_LOG_ARGS": "ERR %s() requires two arguments or more.",
    "SCRIPT_LOG_LEVEL_TYPE": "ERR First argument must be a number (log level).",
    "SCRIPT_LOG_LEVEL": "ERR Invalid log level.",
    "SCRIPT_ONE_ARG": "ERR %s() requires one argument.",
    "SCRIPT_RESP": "ERR RESP version must be 2 or 3.",
    "SCRIPT_REPL": "ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.",
    "SCRIPT_ACL_COMMAND": "ERR Invalid command passed to redis.acl_check_cmd()",
    "BGSAVE_IN_PROGRESS": "ERR Background save already in progress",
    "BGSAVE_OTHER_CHILD": "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order "
                          "to schedule a BGSAVE whenever possible.",
    "AOF_REWRITE_IN_PROGRESS": "ERR Background append only file rewriting already in progress",
    "MISCONF_AOF": "MISCONF Errors writing to the AOF file: %s",
    # access control
    "NOPERM_COMMAND": "NOPERM User %s has no permissions to run the '%s' command",
    "NOPERM_KEY": "NOPERM No permissions to access a key",
    "NOPERM_CHANNEL": "NOPERM No permissions to access a channel",
    "NOPERM_EXEC_COMMAND": "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC "
                           "call. This command is no longer allowed for the following reason: no permission to "
                           "execute the command or subcommand",
    "NOPERM_EXEC_KEY": "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC "
                       "call. This command is no longer allowed for the following reason: no permission to touch the "
                       "specified keys",
    "NOPERM_EXEC_CHANNEL": "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC "
                           "call. This command is no longer allowed for the following reason: no permission to access "
                           "one of the channels used as arguments",
    "ACL_SCRIPT_COMMAND": "ERR ACL failure in script: User %s has no permissions to run the '%s' command",
    "ACL_SCRIPT_KEY": "ERR ACL failure in script: No permissions to access a key",
    "ACL_SCRIPT_CHANNEL": "ERR ACL failure in script: No permissions to access a channel",
    "ACL_MODIFIER": "ERR Error in ACL SETUSER modifier '%s': %s",
    "ACL_UNMATCHED": "ERR Unmatched parenthesis in acl selector starting at '%s'.",
    "ACL_USERNAME": "ERR Usernames can't contain spaces or null characters",
    "ACL_DEFAULT": "ERR The 'default' user cannot be removed",
    "ACL_CATEGORY": "ERR Unknown category '%s'",
    "ACL_GENPASS": "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to "
                   "4096",
    "ACL_DRYRUN_USER": "ERR User '%s' not found",
    "ACL_DRYRUN_COMMAND": "ERR Command '%s' not found",
    "ACL_NO_FILE": "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the "
                   "ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file "
                   "set) in order to store users in the Redis configuration.",
    "ACL_SAVE": "ERR There was an error trying to save the ACLs. Please check the server logs for more information",
    "SORT_BY_ACL": "ERR BY option of SORT denied due to insufficient ACL permissions.",
    "SORT_GET_ACL": "ERR GET option of SORT denied due to insufficient ACL permissions.",
    "DUMP_WRONG": "ERR DUMP payload version or checksum are wrong",
    "DUMP_BAD": "ERR Bad data format",
    "BUSYKEY": "BUSYKEY Target key name already exists.",
    "RESTORE_TTL": "ERR Invalid TTL value, must be >= 0",
    "RESTORE_IDLETIME": "ERR Invalid IDLETIME value, must be >= 0",
    "RESTORE_FREQ": "ERR Invalid FREQ value, must be >= 0 and <= 255",
    # replication
    "WAIT_REPLICA": "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is "
                    "configured to be writable (which is not the default) writes to replicas are just local and are not "
                    "propagated.",
    "WAITAOF_REPLICA": "ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas are "
                       "just local and are not propagated.",
    "WAITAOF_LOCAL": "ERR value is out of range, value must between 0 and 1",
    "WAITAOF_OFF": "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
    "NOMASTERLINK": "NOMASTERLINK Can't SYNC while %s",
    "SYNC_OUTPUT": "ERR SYNC and PSYNC are invalid with pending output",
    "REPLCONF_OPTION": "ERR Unrecognized REPLCONF option: %s",
    "FILTER_NEEDS_EOF": "ERR Filtered replica requires EOF capability",
    "SYNC_FORK": "ERR BGSAVE failed, replication can't continue",
    # functions
    "FUNCTION_COMPILE": "ERR Error compiling function: %s",
    "FUNCTION_REGISTER": "ERR Error registering functions: %s",
    "FUNCTION_NONE": "ERR No functions registered",
    "FUNCTION_EXISTS": "ERR Function %s already exists",
    "FUNCTION_TWICE": "ERR Function already exists in the library",
    "FUNCTION_NOT_FOUND": "ERR Function not found",
    "FUNCTION_TIMEOUT": "ERR FUNCTION LOAD timeout",
    "FUNCTION_FLUSH": "ERR FUNCTION FLUSH only supports SYNC|ASYNC option",
    "FUNCTION_LOAD_OPTION": "ERR Unknown option given: %s",
    "FUNCTION_LIST_ARGUMENT": "ERR Unknown argument %s",
    "FUNCTION_LIST_NAME": "ERR library name argument was not given",
    "FUNCTION_POLICY": "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
    "FUNCTION_NOT_ONE": "ERR given type is not a function",
    "FUNCTION_PRE_GA": "ERR Pre-GA function format not supported",
    "FUNCTION_PAYLOAD": "ERR Failed loading library payload",
    "FCALL_NUMKEYS": "ERR Bad number of keys provided",
    "LIBRARY_NAME": "ERR Library names can only contain letters, numbers, or underscores(_) and must be at least "
                    "one character long",
    "LIBRARY_EXISTS": "ERR Library '%s' already exists",
    "LIBRARY_THERE": "ERR Library %s already exists",
    "LIBRARY_NOT_FOUND": "ERR Library not found",
    "LIBRARY_NO_HEADER": "ERR Missing library metadata",
    "LIBRARY_HEADER": "ERR Invalid library metadata",
    "LIBRARY_UNNAMED": "ERR Library name was not given",
    "LIBRARY_NAMED_TWICE": "ERR Invalid metadata value, name argument was given multiple times",
    "LIBRARY_OPTION": "ERR Invalid metadata value given: %s",
    "ENGINE_NOT_FOUND": "ERR Engine '%s' not found",
    "REGISTER_LATE": "ERR redis.register_function can only be called on FUNCTION LOAD command",
    "REGISTER_ARGS": "ERR wrong number of arguments to redis.register_function",
    "REGISTER_TABLE": "ERR calling redis.register_function with a single argument is only applicable to Lua "
                      "table (representing named arguments).",
    "REGISTER_FIRST": "ERR first argument to redis.register_function must be a string",
    "REGISTER_SECOND": "ERR second argument to redis.register_function must be a function",
    "REGISTER_UNKNOWN": "ERR unknown argument given to redis.register_function",
    "REGISTER_NAME": "ERR function_name argument given to redis.register_function must be a string",
    "REGISTER_CALLBACK": "ERR callback argument given to redis.register_function must be a function",
    "REGISTER_DESCRIPTION": "ERR description argument given to redis.register_function must be a string",
    "REGISTER_FLAGS": "ERR flags argument to redis.register_function must be a table representing function flags",
    "REGISTER_FLAG": "ERR unknown flag given",
    "REGISTER_NO_NAME": "ERR redis.register_function must get a function name argument",
    "REGISTER_NO_CALLBACK": "ERR redis.register_function must get a callback argument",
}


cdef const char* texts[ERR_COUNT]
cdef list kept = [text.encode() for text in TEXTS.values()]


cdef int build() except -1:
    if len(kept) != ERR_COUNT:
        raise AssertionError(f"errors.TEXTS has {len(kept)} texts, enum Err {ERR_COUNT}")
    for i, text in enumerate(kept):
        texts[i] = text
    return 0

build()


cdef const char* err_text(Err e) noexcept nogil:
    return texts[<int>e]


def text(str name, *args):
    """The text of an error by its name, with %s places filled: for commands written in Python."""
    return TEXTS[name] % args if args else TEXTS[name]
