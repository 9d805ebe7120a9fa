"""The command line: parses, calls, prints. One file a theme; heavy libraries are imported inside the verb.

``app`` puts the verbs together, ``session`` sets up a verb's process, ``errors`` turns exceptions into exit codes,
``render`` and ``progress`` draw on the terminal.
"""
