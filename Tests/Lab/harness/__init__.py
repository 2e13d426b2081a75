"""What the lab's runners share: namespaces, processes, gateways, results."""
