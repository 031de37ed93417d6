"""What Celery's schedules answer, for many cases at once. Instants are milliseconds since 1970."""
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from celery import Celery
from celery.schedules import crontab, schedule, solar

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MS = timedelta(milliseconds=1)
_apps = {}


def app_of(zone, deadline):
    key = (zone, deadline)
    if key not in _apps:
        app = Celery(set_as_current=False)
        app.conf.timezone = zone
        app.conf.beat_cron_starting_deadline = deadline
        _apps[key] = app
    return _apps[key]


def at(ms, zone):
    return (EPOCH + ms * MS).astimezone(ZoneInfo(zone))


def answer(kind, spec, zone, last, now, deadline=None):
    """[due, next ms, scheduled ms, offsets in s at last, now and scheduled, folds at last, now and the deadline's begin]"""
    app = app_of(zone, deadline)
    begin, moment = at(last, zone), at(now, zone)
    options = {'app': app, 'nowfun': lambda: moment}
    if kind == 'crontab':
        made = crontab(*spec, **options)
    elif kind == 'interval':
        made = schedule(timedelta(milliseconds=spec[0]), spec[1], **options)
    else:
        made = solar(*spec, **options)
    scheduled = now + made.remaining_estimate(begin) / MS
    state = made.is_due(begin)
    offsets = [at(ms, zone).utcoffset().total_seconds() for ms in (last, now, scheduled)]
    since = now if deadline is None else now - deadline * 1000 - 1
    return [state.is_due, state.next * 1000, scheduled, offsets, [begin.fold, moment.fold, at(since, zone).fold]]


def answers(cases):
    return [answer(*case) for case in cases]


def expand(fields):
    """The values of each field in the order of the arguments, or the name of what Celery raises."""
    try:
        made = crontab(*fields)
    except Exception as exc:
        return type(exc).__name__
    return [sorted(part) for part in (
        made.minute, made.hour, made.day_of_week, made.day_of_month, made.month_of_year)]


def heights(cases):
    """Degrees of the sun above the height of the event, by ephem, for [event, latitude, longitude, ms]."""
    found = []
    for event, lat, lon, ms in cases:
        made = solar(event, lat, lon)
        sun = made.ephem.Sun()
        made.cal.date = made.ephem.Date((EPOCH + ms * MS).replace(tzinfo=None))
        sun.compute(made.cal)
        radius = 0 if made.use_center else sun.radius
        found.append((sun.alt + radius - made.cal.horizon) * 180 / made.ephem.pi)
    return found
