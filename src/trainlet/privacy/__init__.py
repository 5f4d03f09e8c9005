"""What leaves a device: messages made from gradients, and what an attacker recovers from them."""

from trainlet.privacy.error_feedback import ErrorFeedback
from trainlet.privacy.message import Message, Part
from trainlet.privacy.share import Share, parse_share
from trainlet.privacy.wire import decode, encode

__all__ = ["ErrorFeedback", "Message", "Part", "Share", "decode", "encode", "parse_share"]
