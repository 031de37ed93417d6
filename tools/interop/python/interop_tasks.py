"""Tasks for the interop tests. Their names are automatic: ``interop_tasks.add`` and so on."""
import os
import signal
import time

from celery import chain, chord, group, signature  # noqa: F401  (for the tests' own source)
from celery.exceptions import Ignore, Reject, SoftTimeLimitExceeded

from interop_app import app, record, run_setup


class CustomError(Exception):
    """An exception that other sides cannot import."""

    def __init__(self, message, code):
        super().__init__(message, code)
        self.code = code


# --- values

@app.task
def add(x, y):
    return x + y


@app.task
def mul(x, y):
    return x * y


@app.task
def xsum(numbers):
    return sum(numbers)


@app.task
def identity(value):
    return value


@app.task
def echo(*args, **kwargs):
    return {'args': list(args), 'kwargs': kwargs}


@app.task
def defaults(first, second=2, *, third=3):
    return [first, second, third]


@app.task
def noop():
    return None


@app.task
def big(size):
    return 'x' * size


@app.task
def length(data):
    return len(data)


@app.task
def sleep(seconds):
    time.sleep(seconds)
    return seconds


@app.task
def pid():
    return os.getpid()


@app.task(ignore_result=True)
def ignored(value=None):
    return value


# --- what the task knows of its call

@app.task(bind=True)
def request_fields(self, *args, **kwargs):
    request = self.request
    names = (
        'id', 'root_id', 'parent_id', 'group', 'group_index', 'args', 'kwargs', 'argsrepr', 'kwargsrepr', 'origin',
        'hostname', 'delivery_info', 'reply_to', 'correlation_id', 'retries', 'eta', 'expires', 'timelimit', 'shadow',
        'ignore_result', 'headers', 'properties', 'replaced_task_nesting', 'stamped_headers', 'stamps', 'is_eager',
        'called_directly', 'chain', 'chord', 'callbacks', 'errbacks', 'task', 'lang', 'utc', 'meth',
    )
    return {name: getattr(request, name, None) for name in names}


# --- failing and retrying

@app.task
def fail(message='broken'):
    raise ValueError(message)


@app.task
def fail_custom(message='broken', code=42):
    raise CustomError(message, code)


@app.task
def fail_with_cause(message='broken'):
    try:
        raise KeyError('inner')
    except KeyError as exc:
        raise RuntimeError(message) from exc


@app.task(bind=True, max_retries=10)
def retry_then_succeed(self, times=1, countdown=0):
    if self.request.retries < times:
        raise self.retry(countdown=countdown, exc=ValueError(f'try {self.request.retries}'))
    return self.request.retries


@app.task(bind=True, max_retries=1)
def retry_for_ever(self):
    raise self.retry(countdown=0, exc=ValueError('never'))


@app.task(bind=True, autoretry_for=(ValueError,), retry_backoff=False, default_retry_delay=0, max_retries=3)
def autoretry(self, times=1):
    if self.request.retries < times:
        raise ValueError('not yet')
    return self.request.retries


@app.task(bind=True)
def ignore(self):
    self.update_state(state='IGNORED_BY_TASK', meta={'why': 'test'})
    raise Ignore()


@app.task(acks_late=True)
def reject(requeue=False):
    raise Reject('rejected on purpose', requeue=requeue)


@app.task(bind=True)
def soft_limited(self, seconds):
    try:
        time.sleep(seconds)
    except SoftTimeLimitExceeded:
        return 'soft limit'
    return 'finished'


# --- progress, acknowledgement, death

@app.task(bind=True)
def progress(self, steps=3, pause=0.05):
    for step in range(1, steps + 1):
        self.update_state(state='PROGRESS', meta={'current': step, 'total': steps})
        time.sleep(pause)
    return steps


@app.task(acks_late=True)
def late_add(x, y):
    return x + y


@app.task(bind=True, acks_late=True, reject_on_worker_lost=True)
def late_record(self, key, seconds=0):
    """One line a run, for ledgers: which key, which task, at which try."""
    redelivered = (self.request.delivery_info or {}).get('redelivered')
    record(key=key, id=self.request.id, retries=self.request.retries, redelivered=redelivered, pid=os.getpid())
    if seconds:
        time.sleep(seconds)
    return key


@app.task(bind=True, acks_late=True, reject_on_worker_lost=True)
def die_once(self):
    """Kills its own pool process at the first delivery."""
    if not (self.request.delivery_info or {}).get('redelivered'):
        os.kill(os.getpid(), signal.SIGKILL)
    return 'survived'


@app.task
def die():
    os.kill(os.getpid(), signal.SIGKILL)


# --- callbacks and canvas

@app.task(bind=True)
def note(self, *args, **kwargs):
    """As link, errback, chord body or chain step: writes down what it got, and returns its first argument."""
    record(note=self.request.id, args=list(args), kwargs=kwargs, parent=self.request.parent_id)
    return args[0] if args else None


@app.task
def on_error(request, exc, traceback):
    """An errback of the new kind: Celery calls it in the worker that saw the failure."""
    record(on_error=request.id, task=request.task, exc=repr(exc), has_traceback=bool(traceback))


@app.task
def on_error_id(task_id):
    """An errback of the old kind, sent as a message with the id of the failed task."""
    record(on_error_id=task_id)


@app.task(bind=True)
def replace_with_add(self, x, y):
    raise self.replace(add.s(x, y))


@app.task(bind=True)
def spawn_group(self, numbers):
    return self.replace(group(identity.s(number) for number in numbers))


@app.task(bind=True)
def spawn_chord(self, numbers):
    return self.replace(chord([identity.s(number) for number in numbers], xsum.s()))


@app.task(bind=True)
def call_other(self, name, args=(), kwargs=None):
    """Calls a task by name, from inside a task, and returns the new id: root and parent ids travel."""
    return app.send_task(name, args=args, kwargs=kwargs or {}).id


run_setup(globals())
