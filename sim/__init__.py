"""The Loihi-style integer simulator: `reference` defines the semantics, `engine` runs them fast, `learning` learns."""
