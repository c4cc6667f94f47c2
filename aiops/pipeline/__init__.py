"""The stages, each reading and writing files of one run folder."""
