"""Users on disk: `user` lines, aclfile, ACL LOAD and SAVE, CONFIG REWRITE, requirepass, who is disconnected by them."""
import os
import subprocess

import pytest
from support.resp import Error, Simple
from support.server import Server, ServerFailed

OK = Simple("OK")
DEFAULT = "user default on nopass ~* &* +@all\n"
KEPT = "WARNING: ACL errors detected, no change to the previously active ACL rules was performed"


@pytest.fixture
def users(start, tmp_path):
    """users(text, **settings) -> (server with that ACL file, the file's path)."""
    def start_with(text, **settings):
        path = tmp_path / "users.acl"
        path.write_text(text)
        return start(directory=tmp_path, aclfile="users.acl", **settings), path
    return start_with


def logged_in(server, user, password="any", **settings):
    client = server.raw(**settings)
    assert client.call("AUTH", user, password) == OK
    return client


def refuses_to_start(why, **settings):
    server = Server(**settings)
    try:
        with pytest.raises(ServerFailed, match="ended at start with status 1") as error:
            server.start()
        assert why in str(error.value)
    finally:
        server.process = None               # it has ended: nothing to stop
        server.close()


# ---------------------------------------------------------------- the file

def test_file_is_read_at_start(users):
    server, _ = users("user alice on nopass ~a* +@all -@dangerous\n\n   \n  user bob off  (%R~x  +get)\t\r\n")
    with server.raw() as client:
        assert client.call("ACL", "LIST") == [
            b"user alice on nopass sanitize-payload ~a* resetchannels +@all -@dangerous",
            b"user bob off sanitize-payload resetchannels -@all (%R~x resetchannels -@all +get)",
            b"user default on nopass sanitize-payload ~* &* +@all"]
    with logged_in(server, "alice") as client:
        assert client.call("SET", "a1", "x") == OK
        assert client.call("SET", "b", "x") == Error("NOPERM No permissions to access a key")
        assert client.call("FLUSHALL").startswith(b"NOPERM User alice has no permissions to run the 'flushall' command")


def test_file_decides_over_requirepass(users):
    server, path = users("user alice on nopass ~* +@all\n", requirepass="secret")
    with server.raw() as client:
        assert client.call("PING") == Simple("PONG"), "the default user of a server without configuration"
        path.write_text("user default on >other ~* &* +@all\n")
        assert client.call("ACL", "LOAD") == OK
        with server.raw() as other:
            assert other.call("PING").startswith(b"NOAUTH")
            assert other.call("AUTH", "secret").startswith(b"WRONGPASS") and other.call("AUTH", "other") == OK


def test_save_and_load_give_the_same_users(users):
    server, path = users(DEFAULT)
    os.chmod(path, 0o640)
    rules = [["u1", "on", ">p", "~a", "%R~b", "&c", "+@all", "-config|set", "(+get ~d)"], ["u2", "off", "+select|0"],
             ["\u00e9", "nopass", "skip-sanitize-payload", "-@all", "+@read", "allchannels"]]
    with server.raw() as client:
        for words in rules:
            assert client.call("ACL", "SETUSER", *words) == OK
        lines = client.call("ACL", "LIST")
        assert client.call("ACL", "SAVE") == OK
        assert path.read_bytes() == b"".join(line + b"\n" for line in lines)
        assert path.stat().st_mode & 0o777 == 0o640
        assert not [name for name in os.listdir(path.parent) if name.endswith(".tmp")]
        client.call("ACL", "DELUSER", "u1", "u2", "\u00e9")
        assert client.call("ACL", "LOAD") == OK
        assert client.call("ACL", "LIST") == lines


@pytest.mark.parametrize("text, wrong", [
    ("usr a on\n", "users.acl:2 should start with user keyword followed by the username. "),
    ("user\n", "users.acl:2 should start with user keyword followed by the username. "),
    ("# comment\n", "users.acl:2 should start with user keyword followed by the username. "),
    ("user a foo bar +nosuch +x\n", "users.acl:2: Syntax error. users.acl:2: Error in applying operation '+nosuch': Unknown command"
     " or category name in ACL. users.acl:2: Error in applying operation '+x': Unknown command or category name in ACL. "),
    ("user a ~* ~b\n", "users.acl:2: Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have "
     "any effect. Try 'resetkeys' to start with an empty list of patterns. "),
    ("user a (~x\n", "users.acl:2: Unmatched parenthesis in selector definition."),
    ("user a on\nuser a off\n", "WARNING: Duplicate user 'a' found on line 3. "),
    ("\nuser default on\n", "WARNING: Duplicate user 'default' found on line 3. "),
    ("user a\ton\n", "'users.acl:2: username 'a\ton' contains invalid characters. "),
])
def test_wrong_file_changes_nothing(users, text, wrong):
    server, path = users(DEFAULT)
    with server.raw() as client:
        client.call("ACL", "SETUSER", "mine", "on")
        before = client.call("ACL", "LIST")
        path.write_text(DEFAULT + text)
        assert client.call("ACL", "LOAD") == Error(f"ERR {wrong}{KEPT}")
        assert client.call("ACL", "LIST") == before


def test_file_that_cannot_be_read_or_written(users):
    server, path = users(DEFAULT)
    with server.raw() as client:
        path.unlink()
        assert client.call("ACL", "LOAD") == Error("ERR Error loading ACLs, opening file 'users.acl': No such file or directory")
        path.mkdir()
        assert client.call("ACL", "SAVE") == Error(
            "ERR There was an error trying to save the ACLs. Please check the server logs for more information")
        assert os.listdir(path.parent).count("users.acl") == 1 and not any(n.endswith(".tmp") for n in os.listdir(path.parent))


def test_load_without_a_file(raw):
    for word in ("LOAD", "SAVE"):
        assert raw.call("ACL", word).startswith(b"ERR This Redis instance is not configured to use an ACL file.")


def test_load_cuts_off_whom_it_takes_something_from(users):
    server, path = users(DEFAULT + "user alice on nopass ~* &* +@all\n")
    with server.raw() as admin:
        for name in ("doug", "mortimer", "same"):
            admin.call("ACL", "SETUSER", name, "on", "nopass", "+@all", "~*", "&test*")
        path.write_text(DEFAULT + "user alice on >new ~x &* +@all\nuser doug on nopass ~* &other +@all\nuser same on nopass +@all &test*\n")
        clients = {name: logged_in(server, name) for name in ("alice", "doug", "mortimer", "same")}
        listening = {name: logged_in(server, name) for name in ("alice", "doug", "same")}
        for client in listening.values():
            assert client.call("SUBSCRIBE", "test")[0] == b"subscribe"
        assert admin.call("ACL", "LOAD") == OK
        assert admin.call("PUBLISH", "test", "m") == 2
        assert clients["mortimer"].is_closed() and listening["doug"].is_closed()
        assert listening["alice"].read()[2] == listening["same"].read()[2] == b"m"
        assert clients["doug"].call("PING") == Simple("PONG")
        assert clients["alice"].call("GET", "y") == Error("NOPERM No permissions to access a key"), "under the new rules at once"
        for client in (*clients.values(), *listening.values()):
            client.close()


# ---------------------------------------------------------------- the configuration

def test_user_lines(start, tmp_path):
    conf = tmp_path / "redis.conf"
    conf.write_text('user alice on ">p q" ~a* +get\nuser default on >secret ~* &* +@all -flushdb\nuser bob off ( ~x +get )\n')
    server = start(str(conf), directory=tmp_path)
    with server.raw() as client:
        assert client.call("AUTH", "alice", "p q") == OK
        assert client.call("AUTH", "secret") == OK
        assert client.call("FLUSHDB").startswith(b"NOPERM")
        assert client.call("ACL", "SETUSER", "carol", 'on', '~"quoted\\') == OK
        lines = client.call("ACL", "LIST")
        assert client.call("CONFIG", "REWRITE") == OK
        text = conf.read_text()
        assert text.count("user alice") == text.count("user default") == text.count("user carol") == 1
    server.stop()
    again = start(str(conf), directory=tmp_path)
    with again.raw() as client:
        assert client.call("AUTH", "secret") == OK
        assert client.call("ACL", "LIST") == lines


def test_default_user_of_a_line_starts_without_rights(start):
    server = start(user=["default", "on", "nopass", "~*", "+@all"])
    with server.raw() as client:
        assert client.call("SUBSCRIBE", "foo") == Error("NOPERM No permissions to access a channel")


def test_acl_pubsub_default_holds_for_lines(start):
    server = start(user=["default", "on", "nopass", "~*", "+@all"], acl_pubsub_default="allchannels")
    with server.raw() as client:
        assert client.call("SUBSCRIBE", "foo") == [b"subscribe", b"foo", 1]


@pytest.mark.parametrize("words, why", [
    (["alice", "on", "foo"], "Error in user declaration 'alice': Syntax error"),
    (["alice", "("], "Error in user declaration 'alice': Unmatched parenthesis"),
    (["alice", "~a b"], "Error in user declaration 'alice': Syntax error"),
    (["alice", "+nosuch"], "Error loading ACL rule '+nosuch' for the user named 'alice': Unknown command or category name in ACL"),
])
def test_wrong_user_lines_end_the_start(words, why):
    refuses_to_start(why, user=words)


def test_wrong_file_ends_the_start(tmp_path):
    refuses_to_start("Aborting Redis startup because of ACL errors: Error loading ACLs, opening file 'users.acl': No such file",
                     directory=tmp_path, aclfile="users.acl")
    (tmp_path / "users.acl").write_text("user a foo\n")
    refuses_to_start(f"Aborting Redis startup because of ACL errors: users.acl:1: Syntax error. {KEPT}",
                     directory=tmp_path, aclfile="users.acl")
    refuses_to_start("please define either an ACL file or declare users directly in your redis.conf, but not both",
                     directory=tmp_path, aclfile="users.acl", user=["a", "on"])


def test_duplicate_users_end_the_start(server):
    line = [*server.command, "--port", "0", "--user", "foo", "--user", "foo"]
    ended = subprocess.run(line, capture_output=True, text=True, env=server.env, timeout=60, cwd=server.directory)
    assert ended.returncode == 1 and "Duplicate user found" in ended.stderr


def test_requirepass(start):
    server = start(requirepass="secret")
    with server.raw() as client:
        assert client.call("PING").startswith(b"NOAUTH")
        assert client.call("AUTH", "secret") == OK
        assert client.call("CONFIG", "SET", "requirepass", "abc\0def") == OK
        with server.raw() as other:
            assert other.call("AUTH", "abc").startswith(b"WRONGPASS") and other.call("AUTH", "abc\0def") == OK
        assert client.call("CONFIG", "SET", "requirepass", "") == OK
        with server.raw() as other:
            assert other.call("PING") == Simple("PONG")
        info = client.call("INFO", "stats")
    assert b"acl_access_denied_auth:1\r\n" in info and b"acl_access_denied_cmd:0\r\n" in info


def test_rewrite_leaves_users_to_the_file(start, tmp_path):
    conf = tmp_path / "redis.conf"
    conf.write_text("aclfile users.acl\n")
    (tmp_path / "users.acl").write_text(DEFAULT)
    server = start(str(conf), directory=tmp_path)
    with server.raw() as client:
        client.call("ACL", "SETUSER", "carol", "on")
        assert client.call("CONFIG", "REWRITE") == OK
    assert "user " not in conf.read_text() and "aclfile" in conf.read_text()
    assert (tmp_path / "users.acl").read_text() == DEFAULT
