"""The configuration in process: values, redis.conf, the command line, CONFIG GET, SET and REWRITE.

No server is started; test_config_compat.py compares with real ones.
"""
import fnmatch
import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.config_cases import BAD, FATAL, FILE, INTEGER, ONE_OF, REFUSED

from redispy_server.config import (ApplyError, Config, ConfigError, ConfigOpenError, ConfigSetError, RewriteError,
                                   glob_match, options_as_lines)
from redispy_server.config_rewrite import SIGNATURE, rewritten
from redispy_server.config_values import KINDS, memory_text, parse_memory, quote, split_words, to_bytes, to_text
from redispy_server.settings import HIDDEN, IMMUTABLE, PROTECTED, SETTINGS, Setting

MUTABLE = [row for row in SETTINGS if not (IMMUTABLE | PROTECTED) & row.flags]


def loaded(text, **options):
    config = Config(**options)
    config.load_text(text)
    return config


def refusal(config, *pairs, **how):
    """Text of the error of CONFIG SET."""
    with pytest.raises(ConfigSetError) as caught:
        config.set(list(zip(pairs[::2], pairs[1::2])), **how)
    return str(caught.value)


def reason(name, text):
    return f"CONFIG SET failed (possibly related to argument '{name}') - {text}"


def other_value(row):
    """Text that the setting takes and that is not its default."""
    samples = {"bind": "127.0.0.1 -::1", "save": "900 1 300 10",
    "buffer-limits": "normal 1 2 3 slave 4 5 6 pubsub 7 8 9",
               "oom-values": "-5 0 7", "percentiles": "1 2.5 100", "notify": "g$xKE", "percent": "7%", "memory": "5gb",
               "octal": "700", "replicaof": "localhost 7000", "string": "other"}
    special = {"proc-title-template": "x {title}", "locale-collate": "C", "cluster-announce-client-ipv4": "1.2.3.4",
               "cluster-announce-client-ipv6": "::1"}
    if row.name in special or row.kind in samples:
        return special.get(row.name, samples.get(row.kind))
    if row.kind == "bool":
        return "no" if row.default else "yes"
    if row.kind == "enum":
        return next(name for name, number in row.choices if number != dict(row.choices)[row.default])
    if row.kind == "multi-enum":
        return "save force"
    return str(row.low if row.low != row.default and not row.clamp else min(row.high, row.default + 1))


# ---- the table ----

def test_names_are_unique_lower_case_and_kinds_exist():
    names = [name for row in SETTINGS for name in row.names]
    assert len(names) == len(set(names)) and all(name == name.lower() for name in names)
    assert {row.kind for row in SETTINGS} <= set(KINDS)


@pytest.mark.parametrize("row", SETTINGS, ids=lambda row: row.name)
def test_default_is_a_value_the_setting_takes(row):
    config = Config()
    text = config.text(row.name)
    if row.kind != "replicaof":
        config.assign(row.name, *(text.split() if KINDS[row.kind].words else [text]))
    assert config[row.name] == config.defaults[row.name] and config.text(row.name) == text


@pytest.mark.parametrize("row", MUTABLE, ids=lambda row: row.name)
def test_get_set_get(row):
    config = Config()
    text = config.text(row.name)
    config.set([(row.name, text)])
    assert config.get([row.name]) == [(row.name, text)]
    config.set([(row.names[-1].upper(), other_value(row))])
    changed = config.text(row.name)
    assert changed != text
    config.set([(row.name, changed)])
    assert config.text(row.name) == changed
    config.set([(row.name, text)])
    assert config[row.name] == config.defaults[row.name]


@pytest.mark.parametrize("row", [row for row in SETTINGS if row not in MUTABLE], ids=lambda row: row.name)
def test_fixed_settings_are_refused(row):
    kind = "immutable" if IMMUTABLE & row.flags else "protected"
    assert refusal(Config(), row.name, "x") == reason(row.name, f"can't set {kind} config")


@pytest.mark.parametrize("row", [row for row in SETTINGS if KINDS[row.kind].numeric], ids=lambda row: row.name)
def test_numbers_follow_changes(row):
    config, seen = Config(), {}
    config.on_number = seen.__setitem__
    config.load_text("")
    before = seen[row.name]
    assert before == config.number(row.name) and list(seen) == config.numeric_names()
    seen.clear()
    config.assign(row.name, *other_value(row).split())
    assert seen == {row.name: config.number(row.name)} and seen[row.name] != before


def test_settings_without_a_number_say_so():
    with pytest.raises(TypeError):
        Config().number("dir")
    with pytest.raises(KeyError):
        Config().number("nosuch")


@pytest.mark.parametrize("name, text, number", [
    ("appendonly", "yes", 1), ("maxmemory", "1gb", 2**30), ("maxmemory-clients", "5%", -5),
    ("maxmemory-policy", "allkeys-lru", 5),
    ("maxmemory-policy", "volatile-lru", 1), ("maxmemory-policy", "volatile-lfu", 2),
    ("maxmemory-policy", "allkeys-lfu", 6),
    ("maxmemory-policy", "volatile-random", 16), ("maxmemory-policy", "allkeys-random", 20),
    ("maxmemory-policy", "volatile-ttl", 8),
    ("maxmemory-policy", "noeviction", 32),
    ("notify-keyspace-events", "KEA", 3 | 4 | 8 | 16 | 32 | 64 | 128 | 256 | 512 | 1024 | 4096),
    ("notify-keyspace-events", "mn", 2048 | 8192), ("maxmemory", str(2**64 - 1), 2**63 - 1),
    ("oom-score-adj", "absolute", 2)])
def test_numbers_are_those_of_the_core(name, text, number):
    config = loaded(f"{name} {text}")
    assert config.number(name) == number


# ---- values ----

@pytest.mark.parametrize("name, value, shown", [
    ("maxmemory", "100KB", "102400"), ("maxmemory", "1G", "1000000000"), ("maxmemory", "10b", "10"),
    ("maxmemory", "", "0"),
    ("maxmemory", "2m", "2000000"), ("maxmemory", "3Mb", "3145728"), ("maxmemory", str(2**64 - 1), str(2**64 - 1)),
    ("maxmemory-clients", "5%", "5%"), ("maxmemory-clients", "0%", "0"), ("maxmemory-clients", "10mb", "10485760"),
    ("activerehashing", "YES", "yes"), ("maxmemory-policy", "ALLKEYS-LRU", "allkeys-lru"),
    ("oom-score-adj", "relative", "yes"),
    ("hz", "1000", "500"), ("hz", "0", "1"), ("repl-backlog-size", "1", "16384"),
    ("slowlog-log-slower-than", "-1", "-1"),
    ("shutdown-on-sigint", "force now save", "save now force"), ("shutdown-on-sigint", "default save", "save"),
    ("save", "", ""), ("save", "300 10 900 1", "300 10 900 1"), ("save", "900 0", "900 0"),
    ("notify-keyspace-events", "KEA", "AKE"), ("notify-keyspace-events", "Kn", "nK"),
    ("notify-keyspace-events", "dnxK", "xdnK"),
    ("notify-keyspace-events", "AKEmn", "AKEm"), ("notify-keyspace-events", "g$lshzxet", "g$lshzxet"),
    ("notify-keyspace-events", "g$lshzxetd", "A"), ("latency-tracking-info-percentiles", "50 99.99999999", "50 100"),
    ("latency-tracking-info-percentiles", "1e1 5.50", "10 5.5"), ("latency-tracking-info-percentiles", "", ""),
    ("client-output-buffer-limit", "replica 10k 20KB 3",
     "normal 0 0 0 slave 10000 20480 3 pubsub 33554432 8388608 60"),
    ("client-output-buffer-limit", "NORMAL 1 1 1 normal 2 2 2",
     "normal 2 2 2 slave 268435456 67108864 60 pubsub 33554432 8388608 60"),
    ("client-output-buffer-limit", "", "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"),
    ("bind", "127.0.0.1 -::1", "127.0.0.1 -::1"), ("bind", "", ""), ("masterauth", "x y", "x y"),
    ("oom-score-adj-values", "3 2 1", "3 2 1"), ("lua-time-limit", "7", "7"), ("proc-title-template", "a}b", "a}b")])
def test_canonical_text(name, value, shown):
    config = Config()
    config.set([(name, value)])
    assert config.get([name]) == [(name, shown)]


@pytest.mark.parametrize("name, value, text", REFUSED)
def test_refused_value_leaves_everything_as_it_was(name, value, text):
    config = Config()
    before = dict(config.values)
    assert refusal(config, "timeout", "77", name, value) == reason(name, text)
    assert config.values == before


# ---- CONFIG SET ----

def test_set_takes_all_or_none_and_names_the_argument_as_it_was_typed():
    config = Config()
    config.set([("hz", "20"), (b"MAXMEMORY", b"1mb")])
    assert (config["hz"], config["maxmemory"]) == (20, 2**20)
    assert refusal(config, "hz", "30", "HZ", "40") == reason("HZ", "duplicate parameter")
    assert refusal(config, "hz", "x", "nosuch", "1") == \
        "Unknown option or number of arguments for CONFIG SET - 'nosuch'"
    assert refusal(config, "hz", "x", "databases", "1") == reason("databases", "can't set immutable config")
    config.set([("slave-priority", "3"), ("replica-priority", "4")])
    assert config["replica-priority"] == 4 and config["hz"] == 20


@pytest.mark.parametrize("level, local, allowed", [("no", True, False), ("local", False, False), ("local", True, True),
                                                   ("yes", False, True)])
def test_protected_settings(level, local, allowed):
    config = loaded(f"enable-protected-configs {level}")
    if allowed:
        config.set([("dbfilename", "x.rdb")], local=local)
        assert config["dbfilename"] == "x.rdb"
    else:
        assert refusal(config, "dbfilename", "x", local=local) == reason("dbfilename", "can't set protected config")


def test_dir_is_an_existing_directory(tmp_path):
    config = loaded("enable-protected-configs yes", directory=str(tmp_path))
    (tmp_path / "sub").mkdir()
    (tmp_path / "file").touch()
    config.set([("dir", "sub")])
    assert config["dir"] == os.path.realpath(tmp_path / "sub")
    config.set([("dir", "..")])
    assert refusal(config, "dir", "gone") == reason("dir", "No such file or directory")
    assert refusal(config, "dir", "") == reason("dir", "No such file or directory")
    assert refusal(config, "dir", "file") == reason("dir", "Not a directory")
    assert config.text("dir") == os.path.realpath(tmp_path)


def test_while_loading_some_settings_are_refused():
    config = loaded("enable-protected-configs yes")
    for name, value in ("repl-diskless-load", "swapdb"), ("dir", "/"):
        with pytest.raises(ConfigSetError) as caught:
            config.set([("hz", "x"), (name, value)], loading=True)
        assert caught.value.loading
    config.set([("hz", "15")], loading=True)
    with pytest.raises(ConfigSetError) as caught:
        config.set([("hz", "x")], loading=True)
    assert not caught.value.loading


def test_effects_run_after_all_values_and_numbers_are_in_place():
    config, seen, numbers = Config(), [], {}
    config.on_number = numbers.__setitem__
    config.on_apply("maxmemory", lambda old, new: seen.append((old, new, config["hz"], dict(numbers))))
    config.set([("maxmemory", "5"), ("hz", "20")])
    assert seen == [(0, 5, 20, {"maxmemory": 5, "hz": 20})]
    config.set([("maxmemory", "5")])
    assert len(seen) == 1


def test_a_refusing_effect_undoes_all():
    config, seen, numbers = Config(), [], []

    def refuse(old, new):
        seen.append(("port", old, new))
        raise ApplyError("Unable to listen on this port. Check server logs.")

    config.on_number = lambda *pair: numbers.append(pair)
    config.on_apply("hz", lambda old, new: seen.append(("hz", old, new)))
    config.on_apply("slave-priority", lambda old, new: seen.append(("priority", old, new)))
    config.on_apply("port", refuse)
    config.on_apply("timeout", lambda old, new: seen.append("never"))
    before = dict(config.values)
    assert refusal(config, "hz", "20", "replica-priority", "7", "PORT", "1", "timeout", "5") == \
        reason("PORT", "Unable to listen on this port. Check server logs.")
    assert config.values == before
    assert seen == [("hz", 10, 20), ("priority", 100, 7), ("port", 6379, 1), ("priority", 7, 100), ("hz", 20, 10)]
    assert dict(numbers) == {"hz": 10, "replica-priority": 100, "port": 6379, "timeout": 0}


def test_an_unexpected_error_of_an_effect_undoes_all_and_passes():
    config = Config()

    def broken(old, new):
        if new == 20:
            raise ZeroDivisionError

    config.on_apply("hz", broken)
    with pytest.raises(ZeroDivisionError):
        config.set([("hz", "20")])
    assert config["hz"] == 10


def test_a_group_effect_runs_once():
    config, seen = Config(), []
    config.on_apply_group(["bind", "port", "tls-port"], lambda: seen.append((config["port"], config["tls-port"])))
    config.set([("port", "1"), ("tls-port", "2")])
    config.set([("hz", "5")])
    assert seen == [(1, 2)]


# ---- CONFIG GET ----

def test_get_takes_globs_aliases_and_hidden_names():
    config = Config()
    assert config.get(["HZ", "hz"]) == [("HZ", "10")]
    assert config.get(["H?", b"hz"]) == [("hz", "10")]
    assert config.get(["*time-limit*", "busy*"]) == [("lua-time-limit", "5000"), ("busy-reply-threshold", "5000")]
    assert dict(config.get(["*of"])) == {"replicaof": "", "slaveof": ""}
    assert config.get(["watchdog*"]) == [] and config.get(["watchdog-period"]) == [("watchdog-period", "0")]
    assert config.get(["nosuch", "user", "include"]) == []
    shown = [name for name, _ in config.get(["*"])]
    assert shown == [name for row in SETTINGS if not HIDDEN & row.flags for name in row.names]


@pytest.mark.parametrize("pattern, matches", [
    ("save", True), ("s*", True), ("*", True), ("**v*e", True), ("s?ve", True), ("sa", False), ("save?", False),
    ("", False),
    ("[rs]ave", True), ("[^s]ave", False), ("[^a-f]ave", True), ("[a-t]ave", True), ("[t-a]ave", True), ("[s", False),
    ("[\\s]ave", True), ("\\save", True), ("s\\*ve", False), ("[!s]ave", True), ("[]save", False), ("*e*a", False)])
def test_glob(pattern, matches):
    assert glob_match(pattern, "save") is matches


def test_glob_does_not_explode():
    assert not glob_match("*a" * 200 + "b", "a" * 2000)


# ---- redis.conf ----

def test_lines_of_a_file():
    config = loaded('# comment\r\n\r\n  HZ\t7 \r\nmasterauth "a b\\x01\\n"\nmasteruser \'it\\\'s\'\nslave-priority 3\n'
                    'maxmemory 1gb\nmaxmemory 2gb\nlist-max-ziplist-entries 5')
    assert (config["hz"], config["masterauth"], config["masteruser"]) == (7, "a b\x01\n", "it's")
    assert (config["replica-priority"], config["maxmemory"]) == (3, 2 * 2**30)


@pytest.mark.parametrize("text, save", [
    ("", "3600 1 300 100 60 10000"), ("save", ""), ("save ", ""), ('save ""', ""), ("save ''", ""),
    ("save 900 1", "900 1"),
    ("save '900 1'", "900 1"), ("save 900 1\nsave 900 1\nsave 5 5", "900 1 900 1 5 5"), ("save 1 2 3 4", "1 2 3 4"),
    ('save 900 1\nsave ""\nsave 3 3', "3 3"), ("save 900 1\nsave\n", "900 1"),
    ("save 9 1\nsave 3 1 5 5", "9 1 3 1 5 5")])
def test_save_lines_add_up(text, save):
    assert loaded(text).text("save") == save


@pytest.mark.parametrize("text, name, shown", [
    ("client-output-buffer-limit slave 1 1 1 pubsub 2 2 2\nclient-output-buffer-limit replica 5 5 5",
     "client-output-buffer-limit", "normal 0 0 0 slave 5 5 5 pubsub 2 2 2"),
    ('client-output-buffer-limit "normal 1 1 1"', "client-output-buffer-limit",
     "normal 1 1 1 slave 268435456 67108864 60 pubsub 33554432 8388608 60"),
    ("bind 127.0.0.1\nbind -::1 127.0.0.1", "bind", "-::1 127.0.0.1"),
    ('bind "127.0.0.1  ::1"', "bind", "127.0.0.1 ::1"),
    ('bind ""', "bind", ""), ("bind", "bind", ""), ('replicaof "127.0.0.1 1"', "slaveof", "127.0.0.1 1"),
    ("slaveof 1.1.1.1 1\nreplicaof no oNe", "replicaof", ""),
    ("shutdown-on-sigint save now", "shutdown-on-sigint", "save now"),
    ("unixsocketperm 0755", "unixsocketperm", "755"), ('unixsocketperm ""', "unixsocketperm", "0"),
    ("latency-tracking-info-percentiles 1 2\nlatency-tracking-info-percentiles 3", "latency-tracking-info-percentiles",
    "3"),
    ('latency-tracking-info-percentiles ""', "latency-tracking-info-percentiles", ""),
    ('requirepass ""', "requirepass", ""),
    ("primaryauth x", "masterauth", "x")])
def test_directives_of_several_words(text, name, shown):
    assert loaded(text).text(name) == shown


@pytest.mark.parametrize("line, text", FATAL)
def test_fatal_lines_are_reported_as_redis_does(line, text):
    with pytest.raises(ConfigError) as caught:
        loaded(f"# one\n\n  {line} \r\nhz x\n")
    assert str(caught.value) == ("\n*** FATAL CONFIG FILE ERROR (Redis 7.4.0) ***\n"
                                 f"Reading the configuration file, at line 3\n>>> '{line}'\n{text}\n")
    assert (caught.value.reason, caught.value.line.number) == (text, 3)


def test_errors_of_the_whole_file_have_no_line(tmp_path):
    with pytest.raises(ConfigError) as caught:
        loaded("replicaof a 1\ncluster-enabled yes", version="9.9", product="Name")
    assert str(caught.value) == ("\n*** FATAL CONFIG FILE ERROR (Name 9.9) ***\n"
                                 "replicaof directive not allowed in cluster mode\n")
    with pytest.raises(ConfigError, match="\nCan't open the log file: No such file or directory\n"):
        loaded("logfile gone/x.log", directory=str(tmp_path))
    loaded("logfile x.log", directory=str(tmp_path))
    assert (tmp_path / "x.log").exists()


def test_users_renames_and_modules_are_collected_and_checked():
    text = "user a on >x\nuser b off\nrename-command GET \"\"\nloadmodule /x.so 1 2\n"
    config = loaded(text)
    assert [line.args for line in config.users] == [("a", "on", ">x"), ("b", "off")]
    assert [line.args for line in config.renames] == [("GET", "")]
    assert [line.args for line in config.modules] == [("/x.so", "1", "2")]
    with pytest.raises(ConfigError) as caught:
        loaded("user foo\nuser foo")
    assert caught.value.reason == ("Error in user declaration 'foo': Duplicate user found. "
                                   "A user can only be defined once in config files")
    for hook in "check_user", "check_rename":
        config = Config()
        setattr(config, hook, lambda *words: f"refused {words[0]!r}")
        with pytest.raises(ConfigError, match="\nrefused"):
            config.load_text(text)


def test_include(tmp_path):
    (tmp_path / "a.conf").write_text("hz 3\ninclude sub/*.conf\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "1.conf").write_text("timeout 1\nmaxclients 50\n")
    (tmp_path / "sub" / "2.conf").write_text("timeout 2\n")
    config = loaded("hz 2\ninclude a.conf\ninclude none*.conf\nsave 1 1\n", directory=str(tmp_path))
    assert (config["hz"], config["timeout"], config["maxclients"]) == (3, 2, 50)
    (tmp_path / "sub" / "2.conf").write_text("\nhz x\n")
    with pytest.raises(ConfigError) as caught:
        loaded("include a.conf", directory=str(tmp_path))
    assert caught.value.line.number == 2 and caught.value.line.filename == str(tmp_path / "sub" / "2.conf")
    with pytest.raises(ConfigOpenError) as caught:
        loaded("include /nonexistent.conf")
    assert str(caught.value) == "Fatal error, can't open config file '/nonexistent.conf': No such file or directory"
    (tmp_path / "a.conf").write_text("include a.conf\n")
    with pytest.raises(ConfigError, match="nested too deeply"):
        loaded("include a.conf", directory=str(tmp_path))


def test_module_settings_wait_for_their_row():
    config = loaded("mod.size 7\nmod.other x\n")
    config.add(Setting("mod.size", "int", 1, high=10))
    assert config["mod.size"] == 7 and config.get(["mod.*"]) == [("mod.size", "7")]
    assert [line.text for line in config.unclaimed()] == ["mod.other x"]
    with pytest.raises(ConfigError, match="between 0 and 1 inclusive"):
        loaded("m.x 5").add(Setting("m.x", "int", 1, high=1))
    with pytest.raises(ValueError):
        config.add(Setting("x", "int", 1, aliases=("hz",)))


def test_sentinel_mode_takes_sentinel_lines():
    config = loaded("sentinel monitor m 127.0.0.1 6379 2\nSENTINEL deny-scripts-reconfig no\n", sentinel=True)
    assert [line.args[0] for line in config.sentinel_lines] == ["monitor", "deny-scripts-reconfig"]
    assert (config["port"], config["protected-mode"]) == (26379, False)


# ---- the command line ----

@pytest.mark.parametrize("words, lines", [
    (["--port", "7000"], ['port "7000"']), (["--hz 5"], ["hz 5"]),
    (["--hz 5", "--timeout", "1"], ["hz 5", 'timeout "1"']),
    (["--save"], ['save ""']), (["--save", ""], ['save ""']), (["--save", "--hz", "7"], ['save ""', 'hz "7"']),
    (["--save", "900", "1", "--hz", "7"], ['save "900" "1"', 'hz "7"']),
    (["--masterauth", "--x", "--hz", "7"], ['masterauth "--x"', 'hz "7"']),
    (["--proc-title-template", "--hz", "5"], ['proc-title-template "--hz" "5"']),
    (["--replicaof", "a", "--1"], ['replicaof "a"', "1"]), (["hz", "5"], ['"hz" "5"']), (["--port"], ["port"]),
    (["--", "--hz", "7"], [' "--hz" "7"']), (["--sentinel", "--hz", "5"], ["", 'hz "5"']),
    (["--sentinel", "x"], ['sentinel "x"']), (["--a", 'x"\n\\'], ['a "x\\"\\n\\\\"'])])
def test_options_become_lines(words, lines):
    assert options_as_lines(words) == lines


@pytest.mark.parametrize("argv, values", [
    ([], {"port": 6379}), ([""], {"port": 6379}), (["--port", "7000", "--save", ""], {"port": 7000, "save": ()}),
    (["--HZ", "5", "--TIMEOUT", "1"], {"hz": 5, "timeout": 1}),
    (["--masterauth", "a\nhz 3"], {"masterauth": "a\nhz 3", "hz": 10}),
    (["--save", "1 1", "--save", "2", "2"], {"save": ((1, 1), (2, 2))}),
    (["--masterauth", '"a b"'], {"masterauth": '"a b"'}),
    (['--masterauth "a b"'], {"masterauth": "a b"}), (["--", "hz", "5"], {"hz": 5}),
    (["--masterauth", "\\x41"], {"masterauth": "\\x41"}),
    (["--bind", "127.0.0.1", "-::1", "--hz", "7"], {"bind": ("127.0.0.1", "-::1"), "hz": 7})])
def test_command_line(argv, values):
    config = Config()
    startup = config.load_argv(argv)
    assert (startup.action, startup.filename, startup.sentinel) == ("run", None, False)
    assert {name: config[name] for name in values} == values


def test_command_line_overrides_the_file_and_knows_line_numbers(tmp_path):
    path = tmp_path / "t.conf"
    path.write_text("hz 5\nsave 5 5\n\n# c\n")
    config = Config()
    assert config.load_argv([str(path), "--save", "6", "6", "--timeout", "3"]).filename == str(path)
    assert (config.text("save"), config["hz"], config["timeout"], config.filename) == ("5 5 6 6", 5, 3, str(path))
    config = Config()
    config.load_argv([str(path), "hz", "9"])
    assert config["hz"] == 9
    for argv, number in ([str(path), "--port", "1", "--hz", "x"], 7), (["--port", "1", "--hz", "x"], 3), (["--hz",
    "x"], 2):
        with pytest.raises(ConfigError) as caught:
            Config().load_argv(argv)
        assert (caught.value.line.number, caught.value.line.text) == (number, 'hz "x"')


def test_standard_input(tmp_path):
    path = tmp_path / "t.conf"
    path.write_text("hz 5\n")
    for argv in (["-", "--timeout", "2"], ["--timeout", "2", "-"], [str(path), "--timeout", "2", "-"]):
        config = Config()
        config.load_argv(argv, stdin=lambda: b"hz 6\ntimeout 1")
        assert (config["hz"], config["timeout"]) == (6, 2)


@pytest.mark.parametrize("argv, text, reason_", [
    (["--invalid"], "invalid", BAD), (["--port"], "port", "wrong number of arguments"),
    (["--port", "a", "b"], 'port "a" "b"', "wrong number of arguments"),
    (["--replicaof", "host", "abc"], 'replicaof "host" "abc"', "Invalid master port"), (["-x"], '"-x"', BAD),
    (["--user", "foo", "--user", "foo"], 'user "foo"',
    "Error in user declaration 'foo': Duplicate user found. A user can "
                                                       "only be defined once in config files"),
    (["--shutdown-on-sigint"], "shutdown-on-sigint", ONE_OF + "default, save, nosave, now, force"),
    (["--sentinel", "x", "--hz", "y"], 'hz "y"', INTEGER)])
def test_command_line_errors(argv, text, reason_):
    with pytest.raises(ConfigError) as caught:
        Config().load_argv(argv)
    assert (caught.value.line.text, caught.value.reason) == (text, reason_)


def test_missing_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigOpenError) as caught:
        Config().load_argv(["nosuch", "1"])
    assert str(caught.value) == f"Fatal error, can't open config file '{tmp_path}/nosuch': No such file or directory"


@pytest.mark.parametrize("argv, action, args", [
    (["-v"], "version", []), (["--version"], "version", []), (["-v", "x"], "version", ["x"]), (["-h"], "help", []),
    (["--help"], "help", []), (["--test-memory", "10"], "test-memory", ["10"]), (["--test-memory"], "test-memory", []),
    (["--check-system"], "check-system", [])])
def test_actions(argv, action, args):
    startup = Config().load_argv(argv)
    assert (startup.action, startup.args) == (action, args)


def test_sentinel_by_option_or_by_program_name():
    for argv, program in (["--sentinel"], "redis-server"), ([], "/bin/redis-sentinel"):
        config = Config()
        assert config.load_argv(argv, program=program).sentinel and config["port"] == 26379


# ---- CONFIG REWRITE ----

REWRITTEN = '''# top comment

hz 10
timeout 7
# middle
replica-priority 60
save 60 5

# after saves
maxmemory 100mb

user alice on
client-output-buffer-limit normal 0 0 0
client-output-buffer-limit replica 1mb 2mb 3
client-output-buffer-limit pubsub 32mb 8mb 60
rename-command DEBUG mydebug

masterauth "a b\\x01\\n"
include /dev/null
notify-keyspace-events "AKE"
bind 127.0.0.1 -::1
appendonly no

# Generated by CONFIG REWRITE
'''


def configured(tmp_path, text=FILE):
    path = tmp_path / "redis.conf"
    path.write_text(text)
    config = Config(directory=str(tmp_path))
    config.load_file(str(path))
    return config, path


def test_rewrite_keeps_what_the_owner_wrote(tmp_path):
    config, path = configured(tmp_path)
    config.set([("timeout", "7"), ("replica-priority", "60"), ("save", "60 5"), ("maxmemory", "100mb"),
                ("client-output-buffer-limit", "slave 1mb 2mb 3"), ("notify-keyspace-events", "KEA"),
                ("masteruser", 'a "b'), ("maxmemory-clients", "5%"), ("repl-backlog-size", "2mb"),
                ("hll-sparse-max-bytes", "1025")])
    config.rewrite()
    text = path.read_text()
    assert text.startswith(REWRITTEN)
    assert sorted(text.removeprefix(REWRITTEN).splitlines()) == [
        f'dir "{os.path.realpath(tmp_path)}"', "hll-sparse-max-bytes 1025",
        "latency-tracking-info-percentiles 50 99 99.9",
        'masteruser "a \\"b"', "maxmemory-clients 5%", "repl-backlog-size 2mb"]


def test_rewrite_without_file_and_into_nowhere(tmp_path):
    with pytest.raises(RewriteError, match="^The server is running without a config file$"):
        Config().rewrite()
    with pytest.raises(RewriteError, match="^Rewriting config file: No such file or directory$"):
        Config().rewrite(str(tmp_path / "gone" / "x.conf"))


def test_rewrite_creates_a_missing_file_and_keeps_mode_and_link(tmp_path):
    config, path = configured(tmp_path)
    path.unlink()
    config.rewrite()
    assert path.read_text().startswith(SIGNATURE + "\n") and stat.S_IMODE(path.stat().st_mode) == 0o644
    path.chmod(0o640)
    link = tmp_path / "link.conf"
    link.symlink_to(path)
    config.set([("hz", "44")])
    config.rewrite(str(link))
    assert link.is_symlink() and "hz 44\n" in path.read_text() and stat.S_IMODE(path.stat().st_mode) == 0o640
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link.conf", "redis.conf"]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    config, path = configured(tmp_path)

    def fail(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    config.set([("hz", "44")])
    with pytest.raises(RewriteError, match="^Rewriting config file: No space left on device$"):
        config.rewrite()
    assert path.read_text() == FILE and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("text, sets, expected", [
    ("hz 10\nhz 11\n\n   # c\n  timeout    3   \nloglevel \"notice\"\n", [],
    "hz 11\n\n# c\ntimeout 3\nloglevel notice\n"),
    ("save 1 1\nsave 2 2\nsave 3 3\n# end\n", [("save", "7 7 8 8")], "save 7 7\nsave 8 8\n\n# end\n"),
    ("save 9 1\nsave 60 5\n", [("save", "60 5 9 1")], "save 60 5\nsave 9 1\n"),
    ("save 9 1\n# x\n", [("save", "")], 'save ""\n# x\n'),
    ("# x\nbind 127.0.0.1\n# y\n", [("bind", "* -::*")], "# x\n\n# y\n"), ("bind ::1\n", [("bind", "")], 'bind ""\n'),
    ("hz 10\r\ntimeout 5\r\n", [], "hz 10\ntimeout 5\n"),
    ("hz 10\n\n\n\n# c\n\n\ntimeout 0", [], "hz 10\n\n# c\n\ntimeout 0\n"),
    ("client-output-buffer-limit normal 1 1 1 pubsub 2 2 2\nhz 10\nclient-output-buffer-limit slave 3 3 3\n", [],
     "client-output-buffer-limit normal 1 1 1\nhz 10\nclient-output-buffer-limit replica 3 3 3\n"),
    ("oom-score-adj relative\nshutdown-on-sigint save now\n", [("shutdown-on-sigint", "default")],
     "oom-score-adj yes\nshutdown-on-sigint default\n"),
    ("latency-tracking-info-percentiles 5\n", [("latency-tracking-info-percentiles", "")],
    'latency-tracking-info-percentiles ""\n'),
    ("replica-priority 5\nslave-priority 6\nunixsocketperm 0700\nsupervised no\nreplicaof 127.0.0.1 1\n", [],
     "replica-priority 6\n\nunixsocketperm 700\nsupervised no\nreplicaof 127.0.0.1 1\n"),
    ('logfile ""\npidfile ""\nmasteruser x\ntls-ciphers ""\ndbfilename dump.rdb\n', [("masteruser", "")],
     'logfile ""\n\ndbfilename "dump.rdb"\n')])
def test_rewritten_lines_stay_in_place(tmp_path, text, sets, expected):
    config, path = configured(tmp_path, text)
    config.set(sets)
    config.rewrite()
    assert path.read_text().split("\n" + SIGNATURE)[0] == expected or path.read_text().startswith(expected + SIGNATURE)


def changed_everywhere(directory):
    config = Config(directory=directory)
    for row in SETTINGS:
        if row.kind != "dir" and row.name != "logfile" and row.name != "cluster-enabled":
            config.assign(row.name, *(other_value(row).split() if KINDS[row.kind].words else [other_value(row)]))
    return config


@pytest.mark.parametrize("force_all", [False, True])
@pytest.mark.parametrize("start", ["", FILE], ids=["empty", "file"])
@pytest.mark.parametrize("make", [lambda d: Config(directory=d), changed_everywhere], ids=["defaults", "changed"])
def test_rewrite_is_reloadable_and_idempotent(tmp_path, make, start, force_all):
    config, path = make(str(tmp_path)), tmp_path / "redis.conf"
    path.write_text(start)
    config.rewrite(str(path), force_all=force_all)
    first = path.read_bytes()
    again = Config(directory="/")
    again.load_file(str(path))
    assert again.values == {**config.values, "dir": os.path.realpath(tmp_path)}
    again.rewrite(force_all=force_all)
    assert path.read_bytes() == first
    if force_all:
        written = {split_words(line)[0] for line in first.decode().splitlines() if line and line[0] != "#"}
        assert written >= {row.name for row in SETTINGS if config[row.name] is not None and row.kind != "bind"}


def test_later_additions_join_the_first_ones(tmp_path):
    config, path = configured(tmp_path, "hz 10\n")
    config.rewrite()
    config.set([("timeout", "9"), ("notify-keyspace-events", "AKn")])
    config.rewrite()
    assert path.read_text().count(SIGNATURE) == 1 and "timeout 9\n" in path.read_text()
    assert loaded(path.read_text())["notify-keyspace-events"] == config["notify-keyspace-events"]


def test_directives_with_a_writer_follow_it(tmp_path):
    config, path = configured(tmp_path, "user bob off\nhz 10\nuser alice on\nuser eve on\n# end\n")
    users = ["user alice on nopass", "user default on", "user bob off resetchannels"]
    config.on_rewrite("user", lambda: users)
    config.rewrite()
    assert path.read_text().startswith("user bob off resetchannels\nhz 10\nuser alice on nopass\n"
                                       "user default on\n# end\n")
    users.clear()
    config.rewrite()
    assert "user" not in path.read_text()


def test_sentinel_lines_keep_their_places():
    text = "sentinel myid x\n# a\nsentinel monitor a 1.1.1.1 1 2\nsentinel monitor b 2.2.2.2 2 2\nport 1\n"
    lines = ["sentinel monitor b 9.9.9.9 9 2", "sentinel known-replica b 3.3.3.3 3", "sentinel monitor a 1.1.1.1 1 2",
    "sentinel myid y"]
    assert rewritten(text, {"sentinel": [(line, True) for line in lines]}, {}) == (
        "sentinel myid y\n# a\nsentinel monitor a 1.1.1.1 1 2\nsentinel monitor b 9.9.9.9 9 2\nport 1\n\n"
        f"{SIGNATURE}\nsentinel known-replica b 3.3.3.3 3\n")


# ---- words and quotes ----

@pytest.mark.parametrize("line, words", [
    ("", []), ("  a\tb ", ["a", "b"]), ('a "b c"', ["a", "b c"]), ('"\\x41\\n\\"\\q\\x4"', ['A\n"qx4']),
    ("'a\\'b\\n'", ["a'b\\n"]),
    ('a"b c"', ["ab c"]), ('""', [""]), ("''", [""]), ("\\x41", ["\\x41"]), ('"\\a\\b\\t\\r"', ["\a\b\t\r"]),
    ('"a"b', None),
    ('"a', None), ("'a", None), ("a'b", None), ('"a\\', None), ('"\\xe9\\xff"', ["\udce9\udcff"]),
    ('"\\xc3\\xa9"', ["é"])])
def test_words(line, words):
    assert split_words(line) == words


@given(st.lists(st.binary(max_size=20), max_size=4))
def test_quoted_words_come_back(words):
    line = " ".join(quote(word) for word in words)
    assert line.isascii() and line.isprintable()
    assert [to_bytes(word) for word in split_words(line)] == words


@given(st.binary(max_size=60))
def test_splitting_never_fails_otherwise(line):
    words = split_words(line)
    assert words is None or split_words(" ".join(map(quote, words))) == words


@given(st.binary(max_size=30).filter(lambda value: value != b""))
def test_any_bytes_survive_set_get_and_rewrite(value):
    config = Config()
    config.set([(b"masterauth", value)])
    assert to_bytes(config.get(["masterauth"])[0][1]) == value
    text = rewritten("", {"masterauth": KINDS["string"].lines(config.row("masterauth"), config["masterauth"], None,
    False)}, {})
    assert loaded(to_bytes(text))["masterauth"] == to_text(value)


@given(st.lists(st.text(alphabet="ab \"'\\-\n=", max_size=8), max_size=5))
def test_values_of_options_reach_the_setting_unchanged(values):
    lines = options_as_lines([word for value in values for word in ("--masterauth", "x" + value)])
    assert [split_words(line) for line in lines] == [["masterauth", "x" + value] for value in values]


@given(st.integers(0, 2**64 - 1))
def test_memory_text_comes_back(value):
    assert parse_memory(memory_text(value)) == value


@given(st.text(alphabet="abc", max_size=8), st.text(alphabet="abc*?", max_size=8))
def test_simple_globs_match_as_the_shell_does(name, pattern):
    assert glob_match(pattern, name) is fnmatch.fnmatchcase(name, pattern)


@given(st.text(max_size=8), st.text(alphabet="ab[]^-\\", max_size=8))
def test_a_star_takes_what_a_pattern_leaves(name, pattern):
    assert glob_match("*" + pattern, name) or not glob_match(pattern, name)


@given(st.binary(max_size=200))
def test_any_file_loads_or_is_refused(text):
    try:
        loaded(text)
    except ConfigError as error:
        assert str(error)
