"""The order of the stages, their configuration, and the command line."""
