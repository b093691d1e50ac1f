"""Scripts and functions in Lua. Importing it binds the bodies of EVAL, EVALSHA, SCRIPT, FCALL and FUNCTION to the rows of
exec/table, and adds Lua to the languages of functions."""

from importlib import import_module

for _file in ("eval", "functions", "lua_functions"):
    import_module(f"{__name__}.{_file}")
