"""The background duties of the web process, wired together."""

from __future__ import annotations

from broadcast.history import Chronicler
from broadcast.live_keeper import LiveKeeper
from broadcast.override_keeper import OverrideKeeper
from broadcast.playout import Closer
from broadcast.wake import Waker
from broadcast.wiring import handlers as broadcast_handlers
from cases import triage
from cases.learning import Learner
from cases.retention_job import RetentionKeeper
from cases.wiring import handlers as case_handlers
from core import leases
from core.duties import Duty
from core.outbox import Dispatcher
from desk import live_by_phone
from desk.episode_words import handlers as episode_word_handlers
from desk.rehearer import Rehearer
from hotline.callbacks import handlers as callback_handlers
from hotline.directory_keeper import DirectoryKeeper
from hotline.directory_keeper import handlers as directory_handlers
from hotline.forgetting import sweep as forget_callers
from hotline.importer import Importer
from hotline.mailbox import duty as mailbox
from hotline.office import Office
from hotline.outgoing.clerk import OutgoingClerk
from hotline.refusals import handlers as refusal_handlers
from recordings.wiring import handlers as recording_handlers
from recordings.worker import RenderWorker
from schedule.keeper import LEASE, Keeper
from schedule.wiring import handlers as schedule_handlers
from web.deps import Services
from web.report_keeper import Keeper as ReportKeeper


def background(services: Services) -> list[Duty]:
    """The duties, wired together: who hears which news is decided here and nowhere else."""
    database, config = services.database.for_duties(), services.settings
    dispatcher = Dispatcher(database)
    heard = [case_handlers(), schedule_handlers(), broadcast_handlers(), episode_word_handlers()]
    heard += [callback_handlers(config.zone), refusal_handlers(config.zone)]
    heard += [directory_handlers(), recording_handlers()]
    for room in heard:
        for kind, handler in room:
            dispatcher.on(kind, handler)
    duty = leases.Duty(database, LEASE)  # of all processes on this database one has it
    dispatcher.on_all(services.hub.publish)
    return [
        dispatcher,
        Keeper(database, duty),
        RenderWorker(database, services.store),
        Office(database, config, {live_by_phone.PURPOSE: live_by_phone.places}),
        DirectoryKeeper(database, services.store, config),
        Importer(database, services.store, services.sealer, config),
        OutgoingClerk(database, services.sealer, config),
        *mailbox.duties(database, services.store, services.sealer, config),
        Waker(database, config, duty),
        Closer(database, duty),
        Chronicler(database),
        LiveKeeper(database, services.store, services.live, config, duty),
        live_by_phone.LiveByPhone(database, services.live, config),
        OverrideKeeper(database, services.store, duty),
        Learner(database, when_ready=triage.propose_missing),
        Rehearer(database, config),
        ReportKeeper(services),
        RetentionKeeper(database, services.store, config, duty, beyond=[forget_callers]),
    ]
