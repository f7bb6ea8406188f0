"""The duties of the web process that look after voicemails; none when nothing is configured."""

from __future__ import annotations

from core.blobs import BlobStore
from core.database import Database
from core.sealed import Sealer
from core.settings import Settings
from hotline.mailbox.entering import Entering
from hotline.mailbox.imap import ImapReader
from hotline.mailbox.spool import SpoolWatcher


def duties(
    database: Database, store: BlobStore, sealer: Sealer, settings: Settings
) -> list[SpoolWatcher | ImapReader]:
    """One for each source that the settings name."""
    entering = Entering(database, store, sealer)
    found: list[SpoolWatcher | ImapReader] = []
    if settings.voicemail_folder is not None:
        found.append(SpoolWatcher(entering, settings, settings.voicemail_folder))
    if settings.imap_url:
        found.append(ImapReader(entering, settings))
    return found
