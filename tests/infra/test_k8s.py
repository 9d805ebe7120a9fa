"""The training job of the cluster: what it runs exists, and what it may do is little."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).parents[2] / "infra" / "k8s"


@pytest.fixture(scope="module")
def manifests() -> dict[str, Any]:
    documents = yaml.safe_load_all((FOLDER / "pretraining-job.yaml").read_text(encoding="utf-8"))
    return {document["kind"]: document for document in documents}


@pytest.fixture(scope="module")
def container(manifests: dict[str, Any]) -> dict[str, Any]:
    (found,) = manifests["Job"]["spec"]["template"]["spec"]["containers"]
    return found


def option(container: dict[str, Any], name: str) -> str:
    (value,) = [part.split("=", 1)[1] for part in container["command"] if part.startswith(f"--{name}=")]
    return value


def test_command_is_torchs_launcher_and_our_module(container: dict[str, Any]) -> None:
    from torch.distributed.run import get_args_parser

    program, *rest = container["command"]
    assert program == "torchrun"
    given = get_args_parser().parse_args([part.replace("$(JOB_COMPLETION_INDEX)", "1") for part in rest])
    assert given.module
    assert importlib.util.find_spec(given.training_script) is not None
    assert given.training_script_args == ["/data/job/job.json"]
    assert (given.node_rank, given.max_restarts) == (1, 0)


def test_pods_meet_at_the_first_one(manifests: dict[str, Any], container: dict[str, Any]) -> None:
    job, service = manifests["Job"]["spec"], manifests["Service"]
    name = manifests["Job"]["metadata"]["name"]
    assert job["completionMode"] == "Indexed"
    assert job["completions"] == job["parallelism"] == int(option(container, "nnodes"))
    assert option(container, "master-addr") == f"{name}-0.{service['metadata']['name']}"
    assert job["template"]["spec"]["subdomain"] == service["metadata"]["name"]
    assert [port["port"] for port in service["spec"]["ports"]] == [int(option(container, "master-port"))]
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["selector"] == {"job-name": name}
    assert int(container["resources"]["limits"]["nvidia.com/gpu"]) == int(option(container, "nproc-per-node"))


def test_pods_are_held_small_and_without_root(manifests: dict[str, Any], container: dict[str, Any]) -> None:
    pod = manifests["Job"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"cpu", "memory"} <= set(container["resources"]["limits"])
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}
    assert pod["restartPolicy"] == "Never"
    assert manifests["Job"]["spec"]["backoffLimit"] == 0


def test_image_is_set_in_one_place(container: dict[str, Any]) -> None:
    kustomization = yaml.safe_load((FOLDER / "kustomization.yaml").read_text(encoding="utf-8"))
    assert kustomization["resources"] == ["pretraining-job.yaml"]
    assert [image["name"] for image in kustomization["images"]] == [container["image"]]
