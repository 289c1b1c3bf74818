"""C that learns: plan, memory, the functions of a layer, the update, the library."""
