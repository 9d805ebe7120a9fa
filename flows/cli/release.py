"""``approve``, ``reject``, ``waive``, ``promote``, ``rollback``, ``verify`` and ``keys``: release control."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flows.cli import options, render
from flows.cli.errors import NotPassedError
from flows.cli.session import prepare, result_on_stdout, screen

if TYPE_CHECKING:
    from components.release.config import ReleaseConfig
    from components.release.keys import KeyRecord, SigningKey
    from tasks.registry import Promotion
    from tasks.settings import Settings

Alias = Annotated[str, typer.Option("--alias", help="Alias to set.")]
Name = Annotated[str, typer.Argument(help="Registered model.", metavar="NAME")]

keys = typer.Typer(help="Signing keys: who signs is a key's registered name and role.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command(epilog='Example: touchstone approve models:/demo/2 --reason "read the scorecard, 看过评分卡"')(approve)
    app.command(epilog='Example: touchstone reject models:/demo/2 --reason "flips between groups in Chinese"')(reject)
    app.command(epilog="Example: touchstone waive models:/demo/2 membership --reason TEXT --until 2027-01-31")(waive)
    app.command(epilog="Example: touchstone promote demo 2")(promote)
    app.command(epilog="Example: touchstone rollback demo")(rollback)
    app.command(epilog="Example: touchstone verify models:/demo@production")(verify)
    keys.command("new", epilog="Example: touchstone keys new alice --role approver")(keys_new)
    keys.command("list")(keys_list)
    keys.command("revoke", epilog='Example: touchstone keys revoke alice --reason "laptop lost"')(keys_revoke)
    app.add_typer(keys, name="keys")
    app.command(epilog="Example: touchstone audit --limit 20")(audit)


def approve(
    model: options.Model,
    reason: options.Reason,
    key: options.KeyFile = None,
    profile: options.Profile = None,
    config: options.ConfigDir = None,
    json: options.Json = False,
) -> None:
    """Sign an approval of a release; with the development key unless a key file is given."""
    _decide("approve", model, reason, key, (profile, config), json)


def reject(
    model: options.Model,
    reason: options.Reason,
    key: options.KeyFile = None,
    profile: options.Profile = None,
    config: options.ConfigDir = None,
    json: options.Json = False,
) -> None:
    """Sign a rejection of a release; it stands until the same key approves."""
    _decide("reject", model, reason, key, (profile, config), json)


def waive(
    model: options.Model,
    gate: Annotated[str, typer.Argument(help="Name of the gate as the scorecard shows it.", metavar="GATE")],
    reason: options.Reason,
    until: Annotated[str, typer.Option("--until", help="Last day it holds, YYYY-MM-DD (UTC).", metavar="DATE")],
    key: options.KeyFile = None,
    profile: options.Profile = None,
    config: options.ConfigDir = None,
    json: options.Json = False,
) -> None:
    """Sign an expiring exception for one gate of one payload."""
    from tasks.registry import resolve_model
    from tasks.release_control import sign_waiver

    with result_on_stdout(json) as results:
        settings = prepare(needs_write=True)
        release = resolve_model(model, settings)
        path, signer = sign_waiver(
            release, gate, reason, until, settings=settings, key_file=key, policy=policy_of(profile, config)
        )
        results.append(_signed("waive", path, signer, settings, release, policy_of(profile, config)))
    if not json:
        _print_signed(results[0])


def promote(
    name: Name,
    version: Annotated[str, typer.Argument(help="Version number.", metavar="VERSION")],
    alias: Alias = "production",
    profile: options.Profile = None,
    config: options.ConfigDir = None,
    json: options.Json = False,
) -> None:
    """Set an alias, only after the release's whole chain was verified."""
    from tasks.release_control import promote_version

    with result_on_stdout(json) as results:
        settings = prepare(needs_write=True)
        done = promote_version(name, version, settings=settings, alias=alias, policy=policy_of(profile, config))
        results.append(done)
    if not json:
        _print_promotion(done, settings)


def rollback(
    name: Name,
    alias: Alias = "production",
    profile: options.Profile = None,
    config: options.ConfigDir = None,
    json: options.Json = False,
) -> None:
    """Set an alias back to the version it stood at before."""
    from tasks.release_control import roll_back

    with result_on_stdout(json) as results:
        settings = prepare(needs_write=True)
        done = roll_back(name, settings=settings, alias=alias, policy=policy_of(profile, config))
        results.append(done)
    if not json:
        _print_promotion(done, settings)


def verify(
    model: options.Model,
    serving: Annotated[
        bool, typer.Option("--serving", help="Check what a running service needs: an expired approval does not matter.")
    ] = False,
    profile: options.Profile = None,
    config: options.ConfigDir = None,
    json: options.Json = False,
) -> None:
    """Recompute every digest and check every signature; exit 1 if anything does not hold."""
    from tasks.registry import payload_folder, resolve_model
    from tasks.release_control import inspect_release

    with result_on_stdout(json) as results:
        settings = prepare()
        folder = resolve_model(model, settings)
        if not (folder / "envelope").is_dir():
            results.append(_payload_tree(payload_folder(folder)))
        else:
            tree = inspect_release(folder, settings=settings, policy=policy_of(profile, config), serving=serving)
            results.append(tree.model_dump(mode="json") | {"lines": tree.lines()})
    if not json:
        for line in results[0]["lines"]:
            screen().print(line, markup=False, soft_wrap=True)
        screen().print(
            "verified" if results[0]["ok"] else "does not hold", style="bold green" if results[0]["ok"] else "bold red"
        )
    if not results[0]["ok"]:
        raise NotPassedError


def keys_new(
    name: Annotated[str, typer.Argument(help="Name, small letters and digits.", metavar="NAME")],
    role: Annotated[str, typer.Option("--role", help="Role, as release.required_approvals names it.", metavar="ROLE")],
    json: options.Json = False,
) -> None:
    """Make an Ed25519 key pair and register its name and role."""
    from tasks.release_control import now, open_keyring

    with result_on_stdout(json) as results:
        settings = prepare(needs_write=True)
        record = open_keyring(settings).create(name, role, now=now())
        results.append(record)
    if not json:
        path = settings.keys_folder / f"{name}.pem"
        screen().print(f"{record.name} ({record.role}), id {record.keyid[:16]}; private key: {path}", markup=False,
                       soft_wrap=True)  # fmt: skip


def keys_list(json: options.Json = False) -> None:
    """List the registered keys."""
    from tasks.release_control import open_keyring

    with result_on_stdout(json) as results:
        settings = prepare()
        records = open_keyring(settings).records()
        results.append({"keys": [record.model_dump(mode="json") for record in records]})
    if not json:
        rows = [[r.name, r.role, r.keyid[:16], f"{r.created:%Y-%m-%d}", _key_state(r)] for r in records]
        screen().print(render.plain_table(["name", "role", "id", "made", "state"], rows) if rows else "no keys yet")


def keys_revoke(
    name: Annotated[str, typer.Argument(help="Name of the key.", metavar="NAME")],
    reason: options.Reason,
    json: options.Json = False,
) -> None:
    """Stop trusting a key and everything it has signed."""
    from tasks.release_control import now, open_keyring

    with result_on_stdout(json) as results:
        settings = prepare(needs_write=True)
        record = open_keyring(settings).revoke(name, reason=reason, now=now())
        results.append(record)
    if not json:
        screen().print(f"{record.name}: {_key_state(record)}", markup=False)


def audit(
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Show at most this many records, the newest.")] = 50,
    restart: Annotated[
        bool, typer.Option("--restart", help="Put a log that does not hold aside and begin anew; needs --reason.")
    ] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why the log is begun anew.", metavar="TEXT")] = "",
    json: options.Json = False,
) -> None:
    """Show who tried what on the registry, and check the log's chain; exit 1 if it does not hold."""
    from components.core.errors import ConfigError
    from tasks.audit import open_audit, this_user

    with result_on_stdout(json) as results:
        settings = prepare(needs_write=restart)
        log = open_audit(settings)
        if restart:
            if not reason.strip():
                raise ConfigError("--restart: say why with --reason; the old log stays beside the new one")
            log.restart(actor=this_user(), reason=reason)
        report = log.verify()
        shown = [record.model_dump(mode="json") for record in report.records[-limit:]]
        results.append({"ok": not report.problems, "count": len(report.records), "problems": list(report.problems),
                        "records": shown})  # fmt: skip
    if not json:
        _print_audit(results[0])
    if report.problems:
        raise NotPassedError


def _print_audit(found: dict[str, Any]) -> None:
    rows = [
        [
            str(item["seq"]), f"{item['time'][:19]}Z", item["actor"], item["operation"], item["name"], item["outcome"],
            item["reason"] or ", ".join(f"{key} {value}" for key, value in item["details"].items()),
        ]
        for item in found["records"]
    ]  # fmt: skip
    console = screen()
    if rows:
        console.print(render.plain_table(["no.", "time", "who", "what", "model", "outcome", "why"], rows))
    for problem in found["problems"]:
        console.print(f"✗ {problem}", markup=False, soft_wrap=True)
    verdict = f"{found['count']} records, the chain holds" if found["ok"] else "the chain does not hold"
    console.print(verdict, style="bold green" if found["ok"] else "bold red")


def policy_of(profile: str | None, config: Path | None) -> ReleaseConfig | None:
    """The policy of a profile or folder, or None for the one sealed with the release."""
    if profile is None and config is None:
        return None
    from flows.config import load_config

    return load_config(profile, config, []).release


def _decide(
    kind: Literal["approve", "reject"],
    model: str,
    reason: str,
    key: Path | None,
    source: tuple[str | None, Path | None],
    json: bool,
) -> None:
    from tasks.registry import parse_model_uri, resolve_model
    from tasks.release_control import publish_approvals, sign_decision

    with result_on_stdout(json) as results:
        settings, policy = prepare(needs_write=True), policy_of(*source)
        release = resolve_model(model, settings)
        path, signer = sign_decision(kind, release, reason, settings=settings, key_file=key, policy=policy)
        if (named := parse_model_uri(model)) is not None:
            publish_approvals(*named, settings=settings)
        results.append(_signed(kind, path, signer, settings, release, policy))
    if not json:
        _print_signed(results[0])


def _signed(
    kind: str, path: Path, signer: SigningKey, settings: Settings, release: Path, policy: ReleaseConfig | None
) -> dict[str, Any]:
    """What was signed by whom, and how the release stands now."""
    from tasks.release_control import inspect_release

    tree = inspect_release(release, settings=settings, policy=policy)
    return {
        "decision": kind,
        "file": str(path),
        "key": signer.record.name,
        "role": signer.record.role,
        "development": signer.record.development,
        "payload_digest": tree.payload_digest,
        "state": tree.state,
        "promotable": tree.ok,
        "open": tree.failures(),
    }


def _print_signed(outcome: dict[str, Any]) -> None:
    mark = ", a development key" if outcome["development"] else ""
    console = screen()
    console.print(f"{outcome['decision']} signed by {outcome['key']} ({outcome['role']}{mark}); the release is "
                  f"{outcome['state']}", markup=False, soft_wrap=True)  # fmt: skip
    if outcome["promotable"]:
        console.print("it may be promoted: touchstone promote NAME VERSION (touchstone status lists both)")
    for line in outcome["open"]:
        console.print(f"  still open: {line}", markup=False, soft_wrap=True)


def _print_promotion(done: Promotion, settings: Settings) -> None:
    before = f" (before: v{done.previous})" if done.previous else ""
    screen().print(f"models:/{done.name}@{done.alias} is v{done.version}{before}, payload {done.payload_digest[7:19]}",
                   style="green", markup=False)  # fmt: skip
    documents = settings.documents_folder / done.name / f"v{done.version}" / "index.html"
    if documents.exists():
        screen().print(f"its documents: {documents}", markup=False, soft_wrap=True)


def _payload_tree(payload: Path) -> dict[str, Any]:
    from components.core.payload import verify_payload

    digest = verify_payload(payload)
    lines = [f"✓ payload: {digest}", "– no envelope here: nobody judged, sealed or approved these bytes"]
    return {"ok": True, "payload_digest": digest, "state": None, "lines": lines}


def _key_state(record: KeyRecord) -> str:
    if record.revoked is not None:
        return f"revoked {record.revoked:%Y-%m-%d}: {record.revoked_reason}"
    return "development" if record.development else "in use"
