"""Files that are written whole or not at all, sealed against damage; run folders."""
