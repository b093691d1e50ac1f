"""Error replies have one home: no string literal outside proto/errors begins with an error code and a space."""
import re

import pytest
import source as src

HOME = re.compile(r"redispy_core/proto/errors\.\w+$")
CODES = ("ERR WRONGTYPE WRONGPASS NOAUTH NOPERM NOPROTO DENIED MOVED ASK TRYAGAIN CLUSTERDOWN CROSSSLOT REDIRECT LOADING BUSY "
         "BUSYKEY BUSYGROUP NOGROUP NOSCRIPT UNKILLABLE NOTBUSY NOMASTERLINK READONLY MASTERDOWN MISCONF NOREPLICAS OOM "
         "EXECABORT INPROG NOGOODSLAVE NOQUORUM UNBLOCKED NOADDR IOERR NOTREADY DUPLICATE INVALIDOBJ UNSTABLE").split()
BEGINS_WITH_CODE = re.compile(rf"-?(?:{'|'.join(CODES)}) ")

# "path: text" -> why this literal is no reply text of ours (a reply of another server that is parsed, say).
ALLOWED: dict[str, str] = {}


def violations(sources, allowed=ALLOWED):
    found, used = [], set()
    for source in sources:
        if HOME.match(source.path):
            continue
        literals = [(literal.line, literal.text) for literal in source.literals if not is_docstring(literal)]
        for line, c_text in src.verbatim_c(source):
            literals += [(line + literal.line - 1, literal.text) for literal in c_text.literals]
        for line, text in literals:
            if BEGINS_WITH_CODE.match(text):
                key = f"{source.path}: {text}"
                used.add(key)
                if key not in allowed:
                    found.append(f"{source.path}:{line}: error text {text!r} outside proto/errors")
    return found + [f"allowed but gone: {key}" for key in allowed if key not in used]


def is_docstring(literal):
    return len(literal.quote) == 3 and not literal.before.strip()


def test_error_texts_live_in_one_place():
    assert violations(src.read_all()) == []


@pytest.mark.parametrize("path, text", [
    ("redispy_core/commands/strings.pyx", 'x = b"ERR syntax error"'),
    ("redispy_core/commands/strings.pyx", "reply(x, '-WRONGTYPE Operation against')"),
    ("redispy_server/config.py", 'raise ReplyError(f"ERR CONFIG SET {name}")'),
    ("redispy_core/base/rp.h", '#define E "-OOM command not allowed"\n'),
    ("redispy_core/exec/x.pyx", 'cdef extern from *:\n    """\n    static const char* e = "ERR no";\n    """\n'),
])
def test_error_text_elsewhere_is_refused(path, text):
    assert len(violations([src.scan(path, text)])) == 1


@pytest.mark.parametrize("path, text", [
    ("redispy_core/proto/errors.pyx", 'x = b"ERR syntax error"'),
    ("redispy_core/commands/strings.pyx", 'x = b"ERROR"; y = "a ERR b"; # "ERR x"\n'),
    ("redispy_core/commands/strings.pyx", 'def f():\n    """ERR texts are elsewhere."""\n'),
    ("redispy_server/replication/replica.py", 'reply.startswith(b"-LOADING")'),
])
def test_other_strings_pass(path, text):
    assert violations([src.scan(path, text)]) == []


def test_allowance_needs_a_use():
    key = "redispy_server/x.py: ERR a"
    assert violations([src.scan("redispy_server/x.py", "'ERR a'")], {key: "parsed"}) == []
    assert violations([], {key: "parsed"}) == [f"allowed but gone: {key}"]
