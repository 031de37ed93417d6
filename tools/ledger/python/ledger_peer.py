"""The Python side of a campaign: the same tasks as ledger-app.ts, and a producer. Lines go to the same journals."""
import json
import os
import time

from celery import chain, chord, signature
from celery.signals import task_received

_scene = json.loads(os.environ['CT_LEDGER'])
_files = {}


def note(**fields):
    """One line, one write, to a file of this process."""
    pid = os.getpid()
    if pid not in _files:
        path = os.path.join(_scene['folder'], f'py-{pid}.jsonl')
        _files[pid] = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    line = {'t': int(time.time() * 1000), 'p': pid, **fields}
    os.write(_files[pid], (json.dumps(line) + '\n').encode())


@task_received.connect
def _on_received(request=None, **_):
    note(e='taken', id=request.id)


def _run(task, key, work_ms, **got):
    fields = {'k': key, 'r': task.request.retries, 'id': task.request.id, 'lang': 'py', **got}
    note(e='start', **fields)
    if work_ms:
        time.sleep(work_ms / 1000)
    note(e='end', **fields)
    return key


def register(app):
    late = {'bind': True, 'acks_late': True, 'reject_on_worker_lost': True}

    @app.task(name='ledger.plain', **late)
    def plain(self, key, work_ms):
        return _run(self, key, work_ms)

    @app.task(name='ledger.step', **late)
    def step(self, got, key, work_ms):
        return _run(self, key, work_ms, v=got)

    @app.task(name='ledger.join', **late)
    def join(self, got, key, work_ms):
        return _run(self, key, work_ms, v=got)

    @app.task(name='ledger.again', max_retries=None, **late)
    def again(self, key, work_ms, times, countdown_ms):
        if self.request.retries >= times:
            return _run(self, key, work_ms)
        fields = {'k': key, 'r': self.request.retries, 'id': self.request.id, 'lang': 'py'}
        note(e='start', **fields)
        if work_ms:
            time.sleep(work_ms / 1000)
        note(e='again', **fields)
        raise self.retry(countdown=countdown_ms / 1000)


def _send(app, order):
    key, kind, queues, work = order['key'], order['kind'], order['queues'], order['workMs']
    countdown = order.get('countdownMs', 0)

    def sig(name, *args, queue):
        return signature(name, args=args, app=app).set(queue=queue)

    if kind == 'plain':
        sig('ledger.plain', key, work, queue=queues[0]).apply_async()
    elif kind == 'eta':
        sig('ledger.plain', key, work, queue=queues[0]).apply_async(countdown=countdown / 1000)
    elif kind == 'retry':
        sig('ledger.again', key, work, order['retries'], countdown, queue=queues[0]).apply_async()
    elif kind == 'chain':
        steps = [sig('ledger.step', *([None] if n == 0 else []), f'{key}.{n}', work, queue=queue)
                 for n, queue in enumerate(queues)]
        chain(*steps).apply_async()
    else:
        parts = [sig('ledger.plain', f'{key}.{n}', work, queue=queue) for n, queue in enumerate(queues[:-1])]
        chord(parts, app=app)(sig('ledger.join', f'{key}.body', work, queue=queues[-1]))


def produce(app, orders, duration_ms):
    """Sends the orders, evenly spread over the duration."""
    started = time.monotonic()
    for n, order in enumerate(orders):
        due = started + n / len(orders) * duration_ms / 1000
        time.sleep(max(0, due - time.monotonic()))
        note(e='intent', by='py', order=order)
        try:
            _send(app, order)
        except Exception as exc:
            note(e='refuse', k=order['key'], maybe=True, why=repr(exc))
        else:
            note(e='confirm', k=order['key'])
