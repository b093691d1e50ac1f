# Lua as a language of functions. It has nothing to offer but its EngineType, which importing it adds (engines).
