"""The command files, a data type each. Importing one binds its bodies to the rows of exec/table."""

from importlib import import_module
from pathlib import Path

# Every compiled or Python file of this folder is a command file: a new one needs no edit here.
LOADED = tuple(
    import_module(f"{__name__}.{stem}")
    for stem in sorted({p.name.split(".")[0] for p in Path(__file__).parent.iterdir()
                        if p.suffix in (".so", ".pyd") or (p.suffix == ".py" and p.stem != "__init__")})
)
