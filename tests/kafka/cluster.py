"""Three nodes of Apache Kafka that are one cluster: every topic in three copies, and an event is written with two."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from tests.kafka.apache import ApacheKafka

NODES: Final = 3
_SETTINGS: Final = {
    "default.replication.factor": str(NODES),
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": str(NODES),
    "transaction.state.log.replication.factor": str(NODES),
    "transaction.state.log.min.isr": "2",
}


class KafkaCluster:
    """Raises NoKafka where this machine has no Apache Kafka."""

    def __init__(self, folder: Path) -> None:
        first = ApacheKafka(folder / "node-1")
        others = [ApacheKafka(folder / f"node-{n}", node=n, cluster_id=first.cluster_id) for n in range(2, NODES + 1)]
        self.nodes = [first, *others]
        voters = ",".join(node.voter for node in self.nodes)
        for node in self.nodes:
            node.settings = _SETTINGS | {"controller.quorum.voters": voters}

    @property
    def addresses(self) -> str:
        return ",".join(node.address for node in self.nodes)

    def start(self) -> None:
        """All at once: none of them serves before two have met."""
        with ThreadPoolExecutor(NODES) as pool:
            for started in [pool.submit(node.start) for node in self.nodes]:
                started.result()

    def kill(self) -> None:
        for node in self.nodes:
            node.kill()
