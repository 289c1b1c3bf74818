"""Hardware profiles: the schema of a chip's YAML file and its loader; the files lie in `hardware_profiles/`."""
