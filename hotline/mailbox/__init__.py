"""Voicemails that other telephone systems keep: a watched folder, a mailbox read over IMAP.

Whatever lies there becomes a report exactly once, by its sound and by its message. The files and
mails are never deleted or moved: they belong to the system that made them.
"""
