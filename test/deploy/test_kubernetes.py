"""The manifests are what Kubernetes takes and what Keypin needs."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from conftest import PATIENCE, ROOT, Keypin, find, read_yaml

FOLDER = "deploy/kubernetes"
TOKEN = "a-token-for-this-test-only"
VERSIONS = [v for v in sorted(set(kubernetes_validate.utils.all_versions())) if tuple(map(int, v.split("."))) >= (1, 29)]


@pytest.fixture(scope="module")
def rendered() -> list[dict[str, Any]]:
    made = subprocess.run(
        [find("kubectl"), "kustomize", ROOT / FOLDER], capture_output=True, text=True, timeout=PATIENCE
    )
    assert made.returncode == 0, made.stderr
    return list(yaml.safe_load_all(made.stdout))


def one(rendered: list[dict[str, Any]], kind: str, name: str = "keypin") -> dict[str, Any]:
    (found,) = [r for r in rendered if r["kind"] == kind and r["metadata"]["name"].startswith(name)]
    return found


def pod(rendered: list[dict[str, Any]]) -> dict[str, Any]:
    return one(rendered, "Deployment")["spec"]["template"]["spec"]


def secret() -> dict[str, str]:
    return read_yaml(f"{FOLDER}/secret.example.yaml")["stringData"]


def arguments(rendered: list[dict[str, Any]], folder: Path) -> list[str]:
    """The container's settings as arguments, with the map in the folder."""
    serve, *args = pod(rendered)["containers"][0]["args"]
    assert serve == "serve"
    (mount,) = pod(rendered)["containers"][0]["volumeMounts"]
    for name, text in one(rendered, "ConfigMap")["data"].items():
        (folder / name).write_text(text)
    return [a.replace(mount["mountPath"], str(folder)) for a in args]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_as_the_schemas_of_kubernetes_say(rendered: list[dict[str, Any]], version: str) -> None:
    for manifest in [*rendered, read_yaml(f"{FOLDER}/secret.example.yaml")]:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_the_schemas_refuse_a_name_that_is_none(rendered: list[dict[str, Any]]) -> None:
    wrong = one(rendered, "PodDisruptionBudget") | {"spec": {"maxUnavailabel": 1}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


def test_every_file_is_rendered_but_the_example_of_a_secret(rendered: list[dict[str, Any]]) -> None:
    listed = {*read_yaml(f"{FOLDER}/kustomization.yaml")["resources"], "kustomization.yaml", "keypin.yaml"}
    assert {p.name for p in (ROOT / FOLDER).iterdir()} - {"secret.yaml"} == listed | {"secret.example.yaml"}
    assert not [r for r in rendered if r["kind"] == "Secret"]
    assert {r["metadata"].get("namespace", "keypin") for r in rendered} == {"keypin"}


def test_a_node_starts_with_what_the_manifests_set(
    keypin: Keypin, rendered: list[dict[str, Any]], tmp_path: Path
) -> None:
    args = arguments(rendered, tmp_path)
    assert keypin.refusal(*args, **secret() | {"KEYPIN_DATA_TOKEN": TOKEN}) == ""


def test_a_node_refuses_the_example_of_a_secret(
    keypin: Keypin, rendered: list[dict[str, Any]], tmp_path: Path
) -> None:
    assert "data_token" in keypin.refusal(*arguments(rendered, tmp_path), **secret())


def test_ports_probes_services_and_policy_mean_the_listeners(
    keypin: Keypin, rendered: list[dict[str, Any]], tmp_path: Path
) -> None:
    settings = keypin.settings(*arguments(rendered, tmp_path), **secret())
    (container,) = pod(rendered)["containers"]
    ports = {p["name"]: p["containerPort"] for p in container["ports"]}
    assert {name: f"0.0.0.0:{port}" for name, port in ports.items()} == {
        "public": settings["listen"],
        "data": settings["data_listen"],
    }
    for probe, path in (("startupProbe", "/health"), ("readinessProbe", "/ready"), ("livenessProbe", "/health")):
        assert container[probe]["httpGet"] == {"path": path, "port": "data"}
    labels = one(rendered, "Deployment")["spec"]["template"]["metadata"]["labels"]
    for service in [r for r in rendered if r["kind"] == "Service"]:
        assert service["spec"]["selector"].items() <= labels.items()
        assert {p["targetPort"] for p in service["spec"]["ports"]} <= set(ports)
    assert one(rendered, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    assert one(rendered, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"].items() <= labels.items()
    public, data = one(rendered, "NetworkPolicy")["spec"]["ingress"]
    assert public == {"ports": [{"port": "public"}]}
    assert data["ports"] == [{"port": "data"}] and data["from"]


def test_a_pod_may_take_as_long_to_stop_as_the_service_may(
    keypin: Keypin, rendered: list[dict[str, Any]], tmp_path: Path
) -> None:
    drain = keypin.drain(*arguments(rendered, tmp_path), **secret())
    assert pod(rendered)["terminationGracePeriodSeconds"] > drain + 5
    # The services' lists lose the pod before the service stops listening.
    probe = pod(rendered)["containers"][0]["readinessProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] < 10


def test_a_pod_is_what_the_restricted_standard_asks_for(rendered: list[dict[str, Any]]) -> None:
    assert one(rendered, "Namespace")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    spec = pod(rendered)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    for container in spec["containers"] + spec.get("initContainers", []):
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
    user = spec["securityContext"]["runAsUser"]
    assert f"USER {user}:{spec['securityContext']['runAsGroup']}\n" in (ROOT / "Dockerfile").read_text()


def test_a_disruption_and_a_rollout_leave_two_nodes(rendered: list[dict[str, Any]]) -> None:
    deployment = one(rendered, "Deployment")["spec"]
    assert deployment["replicas"] - one(rendered, "PodDisruptionBudget")["spec"]["maxUnavailable"] >= 2
    assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_the_pod_refers_to_the_map_and_the_secret_that_there_are(rendered: list[dict[str, Any]]) -> None:
    spec = pod(rendered)
    assert spec["volumes"][0]["configMap"]["name"] == one(rendered, "ConfigMap")["metadata"]["name"]
    (source,) = spec["containers"][0]["envFrom"]
    example = read_yaml(f"{FOLDER}/secret.example.yaml")["metadata"]
    assert source == {"secretRef": {"name": example["name"]}}
    assert example["namespace"] == one(rendered, "Deployment")["metadata"]["namespace"]
    assert spec["serviceAccountName"] == one(rendered, "ServiceAccount")["metadata"]["name"]
