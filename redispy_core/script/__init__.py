"""Scripts in Lua. Importing it binds the bodies of EVAL, EVALSHA and SCRIPT to the rows of exec/table."""

from . import eval as eval
