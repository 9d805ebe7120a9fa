"""An approved version to production. No process waits for an approval: this flow is started once it is given."""

from __future__ import annotations

from prefect import flow

from tasks.promote import set_alias


@flow(name="promote", flow_run_name="promote-{name}-{version}")
def promote(name: str, version: str, alias: str = "production") -> str:
    """Set the alias if digests, signatures, verdict and approvals of the version's release hold.

    Returns the payload digest that the alias stands at. Raises IntegrityError with every reason otherwise.
    """
    return set_alias(name, version, alias).payload_digest
