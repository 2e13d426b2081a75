"""Whether a manifest that a page shows is one: a Kubernetes resource against the strict schema of its kind (PyPI's kubernetes-validate),
a deployment of Azure IoT Edge against what Microsoft documents of it (learn.microsoft.com/azure/iot-edge/module-edgeagent-edgehub)."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

CACHE = pathlib.Path("/var/tmp/dx-fresh/manifests")
# What reads a resource from standard input, where the packages are.
KUBERNETES = """
import sys, yaml, kubernetes_validate
for resource in yaml.safe_load_all(sys.stdin):
    version = kubernetes_validate.latest_version()
    kubernetes_validate.validate(resource, version, strict=True)
    print(resource["kind"], version)
"""


class ManifestError(Exception):
    """What is wrong with a manifest."""


def python():
    """A Python that has the packages; made once."""
    found = CACHE / "bin/python3"
    if not (CACHE / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", CACHE], check=True)
        subprocess.run([CACHE / "bin/pip", "install", "--quiet", "kubernetes-validate==1.37.0"], check=True)
        (CACHE / "complete").touch()
    return found


def kubernetes(text):
    done = subprocess.run([python(), "-c", KUBERNETES], input=text, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode != 0 or not done.stdout:
        raise ManifestError(f"no resource of Kubernetes: {done.stderr.strip().splitlines()[-1:]}")


# For each object: the keys that must be there, and all that may be, each with what it is.
TEXT, OBJECT = str, dict
SETTINGS = ({"image"}, {"image": TEXT, "createOptions": TEXT, **{f"createOptions{n:02}": TEXT for n in range(1, 8)}})
MODULE = {"type": TEXT, "settings": SETTINGS, "env": OBJECT, "imagePullPolicy": TEXT, "startupOrder": int, "version": TEXT,
          "status": TEXT, "restartPolicy": TEXT}
RUNNING = ({"type", "status", "restartPolicy", "settings"}, MODULE)
AGENT = ({"schemaVersion", "runtime", "systemModules", "modules"}, {
    "schemaVersion": TEXT,
    "runtime": ({"type", "settings"}, {"type": TEXT, "settings": OBJECT}),
    "systemModules": ({"edgeAgent", "edgeHub"}, {"edgeAgent": ({"type", "settings"}, MODULE), "edgeHub": RUNNING}),
    "modules": (set(), {"*": RUNNING})})
HUB = ({"schemaVersion", "routes"}, {"schemaVersion": TEXT, "routes": OBJECT, "mqttBroker": OBJECT,
                                     "storeAndForwardConfiguration": ({"timeToLiveSecs"}, {"timeToLiveSecs": int})})
DEPLOYMENT = ({"modulesContent"}, {"modulesContent": ({"$edgeAgent", "$edgeHub"}, {
    "$edgeAgent": ({"properties.desired"}, {"properties.desired": AGENT}),
    "$edgeHub": ({"properties.desired"}, {"properties.desired": HUB})})})
VALUES = {"type": {"docker"}, "status": {"running", "stopped"},
          "restartPolicy": {"never", "on-failure", "on-unhealthy", "always"}, "imagePullPolicy": {"never", "on-create"}}
# Of Docker's ContainerCreate, what a module of ours says.
HOST_CONFIG = {"NetworkMode": str, "ReadonlyRootfs": bool, "CapDrop": list, "CapAdd": list, "SecurityOpt": list, "Tmpfs": dict,
               "Binds": list, "PortBindings": dict, "RestartPolicy": dict}
CREATE = {"NetworkingConfig": dict, "HostConfig": dict, "Env": list, "Cmd": list, "ExposedPorts": dict, "User": str}
# The longest value that a module twin takes.
LONGEST = 4096


def follow(value, shape, place):
    if not isinstance(shape, tuple):
        if not isinstance(value, shape) or (isinstance(value, bool) and shape is int):
            raise ManifestError(f"{place} is no {shape.__name__}")
        return
    required, known = shape
    if not isinstance(value, dict):
        raise ManifestError(f"{place} is no object")
    if missing := required - value.keys():
        raise ManifestError(f"{place} has no {', '.join(sorted(missing))}")
    for key, inner in value.items():
        if key not in known and "*" not in known:
            raise ManifestError(f"{place} has {key!r}, which nothing reads")
        follow(inner, known.get(key, known.get("*")), f"{place}.{key}")
        if isinstance(inner, str) and key in VALUES and inner not in VALUES[key]:
            raise ManifestError(f"{place}.{key} is {inner!r}")


def iot_edge(text):
    try:
        deployment = json.loads(text)
    except ValueError as problem:
        raise ManifestError(f"no JSON: {problem}") from None
    follow(deployment, DEPLOYMENT, "deployment")
    agent = deployment["modulesContent"]["$edgeAgent"]["properties.desired"]
    for name, module in {**agent["systemModules"], **agent["modules"]}.items():
        options = module["settings"].get("createOptions", "{}")
        if len(options) > LONGEST:
            raise ManifestError(f"{name}: createOptions has {len(options)} characters")
        try:
            made = json.loads(options)
        except ValueError as problem:
            raise ManifestError(f"{name}: createOptions is no JSON: {problem}") from None
        for place, known in ((made, CREATE), (made.get("HostConfig", {}), HOST_CONFIG)):
            for key, value in place.items():
                if key not in known or not isinstance(value, known[key]):
                    raise ManifestError(f"{name}: createOptions has {key!r}: {value!r}")


def validate(kind, text):
    """Throws `ManifestError` unless `text` is a manifest of this kind."""
    {"kubernetes": kubernetes, "iot-edge": iot_edge}[kind](text)
