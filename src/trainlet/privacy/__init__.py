"""What leaves a device: messages made from gradients, and what an attacker recovers from them."""

from trainlet.privacy.accounting import epsilon
from trainlet.privacy.audit import ATTACKS, audit
from trainlet.privacy.error_feedback import ErrorFeedback
from trainlet.privacy.message import Message, Part
from trainlet.privacy.results import Audit, Row
from trainlet.privacy.share import Share, parse_share
from trainlet.privacy.wire import decode, encode

__all__ = [
    "ATTACKS",
    "Audit",
    "ErrorFeedback",
    "Message",
    "Part",
    "Row",
    "Share",
    "audit",
    "decode",
    "encode",
    "epsilon",
    "parse_share",
]
