"""The commands, by section. Importing them imports nothing heavy: `--help` is instant."""
