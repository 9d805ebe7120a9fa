"""Documents of a promoted release, made from its evidence alone: one folder, one index page.

Modules: ``facts`` (what a release is known to be), ``write`` (the folder), ``bom`` (CycloneDX ML-BOM), ``compliance``
(what supports which clause), ``threats`` (threat model), ``check`` (the ML-BOM against the published schema). What
nobody recorded stays visibly empty.
"""
