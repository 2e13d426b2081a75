"""Whether a manifest that a page shows is one: against the schemas of Kubernetes, and those of Azure IoT Edge."""


class ManifestError(Exception):
    """What is wrong with a manifest."""


def validate(kind, text):
    raise ManifestError(f"no manifest is a {kind}")
