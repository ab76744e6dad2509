"""One resource a file, each exporting STRATEGY: what it does beyond storing its objects."""
