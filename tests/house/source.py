"""Reading the project's sources without importing them: Python, Cython (.pyx .pxd .pxi) and C headers.

The tokenizer of Python refuses Cython (`except? -1`), so a small scanner of our own splits a text into code, in which
comments and strings are blanked but line numbers hold, and string literals. All house tests and scripts/house stand on it.
Standard library only.
"""
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("redispy_core", "redispy_server")
PYTHON_LIKE = (".py", ".pyx", ".pxd", ".pxi", ".pyi")
SOURCES = PYTHON_LIKE + (".h",)

OPENING = re.compile(r"""(?P<comment>\#) | (?P<prefix>\b[bBrRuUfFcC]{1,2})? (?P<quote>\"{3}|'{3}|"|')""", re.X)
OPENING_C = re.compile(r"""(?P<comment>//|/\*) | (?P<prefix>(?!)) | (?P<quote>"|')""", re.X)


@dataclass
class Literal:
    """A string literal: line of its beginning (1-based), text between the quotes as written, code before it on its line."""
    line: int
    text: str
    before: str
    quote: str


@dataclass
class Source:
    """A scanned file. `code` has the shape of `text`, with comments and the insides of strings replaced by spaces."""
    path: str
    text: str
    code: str
    literals: list

    @property
    def lines(self):
        return self.code.split("\n")


def project_files(root=ROOT, packages=PACKAGES, suffixes=SOURCES):
    """Paths (relative, with slashes) of the sources below the given packages, sorted."""
    found = []
    for package in packages:
        for path in sorted((root / package).rglob("*")):
            if path.suffix in suffixes and path.is_file():
                found.append(path.relative_to(root).as_posix())
    return found


def read(path, root=ROOT):
    return scan(path, (root / path).read_text(encoding="utf-8"))


def read_all(root=ROOT, packages=PACKAGES, suffixes=SOURCES):
    return [read(path, root) for path in project_files(root, packages, suffixes)]


def blank(text):
    return re.sub(r"[^\n]", " ", text)


def scan(path, text):
    """Splits a text into code and literals. O(n)."""
    is_c = path.endswith((".h", ".c"))
    pattern = OPENING_C if is_c else OPENING
    pieces, literals, at = [], [], 0
    while True:
        found = pattern.search(text, at)
        if not found:
            pieces.append(text[at:])
            break
        pieces.append(text[at:found.start()])
        if found["comment"]:
            end = end_of_comment(text, found, is_c)
            pieces.append(blank(text[found.start():end]))
        else:
            end = end_of_string(text, found.end(), found["quote"])
            inside = text[found.end():end - len(found["quote"])]
            start_of_line = text.rfind("\n", 0, found.start()) + 1
            literals.append(Literal(text.count("\n", 0, found.start()) + 1, inside,
                                    text[start_of_line:found.start()], found["quote"]))
            pieces.append(found[0] + blank(inside) + found["quote"])
        at = end
    return Source(path, text, "".join(pieces), literals)


def end_of_comment(text, found, is_c):
    end = text.find("*/", found.end()) if found[0] == "/*" else text.find("\n", found.end())
    if end < 0:
        return len(text)
    return end + 2 if found[0] == "/*" else end


def end_of_string(text, at, quote):
    """Index behind the closing quote; an unclosed string ends with its line or, when triple, with the file."""
    stop = re.compile(r"\\.|" + quote + ("" if len(quote) == 3 else r"|\n"), re.S)
    while True:
        found = stop.search(text, at)
        if not found:
            return len(text)
        at = found.end()
        if found[0] == quote:
            return at
        if found[0] == "\n":
            return at - 1


def verbatim_c(source):
    """The C texts inside `cdef extern from ...: \"\"\"...\"\"\"`, as (line, Source)."""
    lines = source.text.split("\n")
    for literal in source.literals:
        above = next((line for line in reversed(lines[:literal.line - 1]) if line.strip()), "")
        if len(literal.quote) == 3 and re.match(r"\s*cdef extern from\b", above + literal.before):
            yield literal.line, scan(source.path + ".c", literal.text)


# --- functions

DEFINITION = re.compile(r"""^(?P<indent>[ ]*)(?:async[ ]+)?
    (?: def[ ]+(?P<name>\w+)
      | (?:cdef|cpdef)[ ]+(?!class\b|struct\b|enum\b|union\b|extern\b|packed\b|public\b|readonly\b|cppclass\b)[^=(#]*?
        (?P<cname>\w+)[ ]*(?=\() )""", re.X)


@dataclass
class Function:
    name: str
    line: int
    length: int


def functions(source):
    """Functions of a Python-like source with the number of lines they span, docstring and inner comments included.

    A definition ends before the next code line that is not indented deeper than its `def`. Declarations without a body
    (.pxd) are not functions. Inner functions count for themselves and for the outer one.
    """
    lines = source.lines
    string_lines = lines_inside_strings(source)
    found = []
    for number, line in enumerate(lines):
        match = DEFINITION.match(line)
        if match and number not in string_lines:
            end = end_of_function(lines, string_lines, number, len(match["indent"]))
            if end:
                found.append(Function(match["name"] or match["cname"], number + 1, end - number))
    return found


def lines_inside_strings(source):
    """Numbers (0-based) of the lines that begin inside a multi-line literal."""
    inside = set()
    for literal in source.literals:
        inside.update(range(literal.line, literal.line + literal.text.count("\n")))
    return inside


def end_of_function(lines, string_lines, start, indent):
    """Number of the line behind a function's last one, or 0 for a declaration that has no body."""
    depth, header_end = 0, start
    while header_end < len(lines):
        depth += sum(lines[header_end].count(c) for c in "([{") - sum(lines[header_end].count(c) for c in ")]}")
        if depth <= 0:
            break
        header_end += 1
    if header_end >= len(lines) or ":" not in lines[header_end].rsplit(")", 1)[-1]:
        return 0
    last = header_end
    for number in range(header_end + 1, len(lines)):
        line = lines[number]
        if number not in string_lines and line.strip() and len(line) - len(line.lstrip(" ")) <= indent:
            break
        if line.strip() or number in string_lines:
            last = number
    return last + 1
