"""Record types, the artefact store, hashing, errors, the config base and seeds. Imports nothing heavy."""
