"""Flagging: the policies that send answers to review, and which answers they flagged."""
