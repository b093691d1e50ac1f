"""Scripts and functions in Lua. Importing it binds the bodies of EVAL, EVALSHA, SCRIPT, FCALL and FUNCTION to the rows of
exec/table, and adds Lua to the languages of functions."""

from . import eval as eval
from . import functions as functions
from . import lua_functions as lua_functions
