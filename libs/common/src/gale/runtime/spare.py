"""A task process forked ahead of its task.

Forking a host and touching its memory for the first time takes longer than a short task. While a
host has nothing else to do, it therefore forks one process ahead, which waits for an order. The
next task begins in it at once; where there is none, the task is forked as ever.
"""

import os
from dataclasses import dataclass
from typing import Final

import msgspec

from gale.core.attempt import AttemptOrder
from gale.runtime.channel import MAX_MESSAGE, Channel, ChannelClosed

#: A host that has had no task for so long needs no process in waiting.
SPARE_SECONDS: Final = 5.0
_ROOM: Final = 4096


class SpareOrder(msgspec.Struct, frozen=True, array_like=True):
    """What the process in waiting is told. With it go its control socket and its log."""

    order: AttemptOrder
    marker: str
    first_line: bytes
    notes: bytes


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(SpareOrder).decode


@dataclass(frozen=True, slots=True)
class Spare:
    """The host's side of a process in waiting."""

    pid: int
    channel: Channel

    def hand_over(self, order: SpareOrder, fds: tuple[int, int]) -> bool:
        """Give it its task; False if it is gone or the order is too large to be sent at once."""
        body = _encode(order)
        try:
            if len(body) > MAX_MESSAGE - _ROOM:
                return False
            self.channel.send(body, fds)
        except (ChannelClosed, OSError):
            return False
        finally:
            self.channel.close()
        return True


def await_order(channel: Channel) -> tuple[SpareOrder, list[int]]:
    """Wait, in the process in waiting, for its task; end the process when its host lets it go.

    The host decides when: if this process ended by itself, a task could be handed over just then.
    """
    try:
        body, fds = channel.receive()[0]
    except (ChannelClosed, OSError):
        os._exit(0)
    channel.close()
    return _decode(body), fds
