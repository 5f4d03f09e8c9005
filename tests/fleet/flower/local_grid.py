"""A Grid of nodes in this process: messages go to the ClientApp at once."""

from collections.abc import Callable, Iterable

from flwr.app import Context, Error, Message, RecordDict
from flwr.serverapp import Grid

from trainlet.errors import TrainletError


class LocalGrid(Grid):
    """nodes: their configurations.  change: what becomes of a reply on its way (None: lost)"""

    def __init__(self, app, config: dict, nodes: list[dict]) -> None:
        self.app = app
        self.contexts = {
            100 + k: Context(1, 100 + k, node, RecordDict(), config) for k, node in enumerate(nodes)
        }
        self.change: Callable[[Message], Message | None] = lambda reply: reply

    def set_run(self, run) -> None: ...

    @property
    def run(self):
        raise NotImplementedError

    def create_message(self, *_, **__):
        raise NotImplementedError

    def get_node_ids(self) -> Iterable[int]:
        return list(self.contexts)

    def get_nodes(self):
        raise NotImplementedError

    def push_messages(self, messages):
        raise NotImplementedError

    def pull_messages(self, message_ids):
        raise NotImplementedError

    def send_and_receive(self, messages: Iterable[Message], *, timeout=None) -> list[Message]:
        replies = []
        for message in messages:
            node = message.metadata.dst_node_id
            message.metadata.__dict__["_message_id"] = f"m{node}"
            try:
                reply = self.app(message, self.contexts[node])
            except TrainletError as error:
                reply = Message(Error(1, str(error)), reply_to=message)
            if (reply := self.change(reply)) is not None:
                replies.append(reply)
        return replies
