"""A Python client at the other end of a pipe: JSON lines in, JSON lines out.

  in   {"id": 1, "source": "add.delay(x, 3).get(timeout=10)", "vars": {"x": 2}}
  out  {"id": 1, "value": 5}   or   {"id": 1, "error": {"type": …, "message": …, "traceback": …}}

The source is statements; when the last one is an expression, that is the value. Names live on from line to line, as in
an interactive session. In scope are the app, its tasks, Celery's canvas and the functions below.
Bytes travel as {"$bytes": base64}.
"""
import ast
import base64
import datetime
import json
import os
import sys
import threading
import time
import traceback

from celery import chain, chord, chunks, group, signature, states, uuid, xmap, xstarmap  # noqa: F401
from celery.result import AsyncResult, GroupResult, ResultBase, ResultSet, result_from_tuple  # noqa: F401
from kombu import Connection, Consumer, Exchange, Producer, Queue  # noqa: F401

import interop_tasks
from interop_app import app, options, record  # noqa: F401

globals().update({name: value for name, value in vars(interop_tasks).items() if not name.startswith('_')})


# --- JSON

def encode(value):
    """What JSON does not know, in a form that a test can read."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {'$bytes': base64.b64encode(bytes(value)).decode()}
    if isinstance(value, ResultBase):
        return {'$result': value.as_tuple()}
    if isinstance(value, BaseException):
        return {'exc_type': type(value).__name__, 'exc_message': list(value.args), 'exc_module': type(value).__module__}
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=repr)
    if hasattr(value, 'keys'):
        return {str(key): value[key] for key in value.keys()}
    if hasattr(value, '__iter__'):
        return list(value)
    return repr(value)


def decode(found):
    return base64.b64decode(found['$bytes']) if set(found) == {'$bytes'} else found


# --- what tests do all the time

def send(name, args=(), kwargs=None, **settings):
    """send_task: the id."""
    return app.send_task(name, args=args, kwargs=kwargs or {}, **settings).id


def get(task_id, timeout=10, propagate=True):
    return app.AsyncResult(task_id).get(timeout=timeout, propagate=propagate, disable_sync_subtasks=False)


def meta(task_id):
    """The state of a task as the backend decodes it; its exception in the form of ``encode``."""
    found = dict(app.backend.get_task_meta(task_id))
    if found.get('children'):
        found['children'] = [child.as_tuple() for child in found['children']]
    return found


def inspect(command, *args, timeout=1.0, destination=None, **kwargs):
    return getattr(app.control.inspect(timeout=timeout, destination=destination), command)(*args, **kwargs)


def publish(body, exchange='', routing_key='celery', **settings):
    """One raw message by kombu. Text and bytes go as they are, with content_type and content_encoding as given."""
    with app.connection_for_write() as connection:
        producer = Producer(connection.default_channel, auto_declare=False)
        producer.publish(body, exchange=exchange, routing_key=routing_key, **settings)


def drain(queue, limit=1, timeout=5.0, accept=('json', 'pickle', 'yaml', 'msgpack', 'text/plain', 'application/data'),
          ack=True):
    """Takes up to ``limit`` messages from a queue without decoding them."""
    taken = []
    deadline = time.monotonic() + timeout
    with app.connection_for_read() as connection:
        bound = Queue(queue)(connection.default_channel)
        while len(taken) < limit and time.monotonic() < deadline:
            message = bound.get(accept=accept)
            if message is None:
                time.sleep(0.02)
                continue
            taken.append({
                'body': message.body, 'headers': message.headers, 'properties': message.properties,
                'content_type': message.content_type, 'content_encoding': message.content_encoding,
                'delivery_info': message.delivery_info,
            })
            message.ack() if ack else message.requeue()
    return taken


def redis_client():
    import redis
    url = options.get('backend') or ''
    return redis.Redis.from_url(url if url.startswith('redis') else options['broker'])


def redis_dump(pattern='*'):
    """All keys with type, time to live in ms (-1: none) and value; text where it is UTF-8, bytes elsewhere."""
    def text(value):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value

    client = redis_client()
    readers = {
        'string': lambda key: text(client.get(key)),
        'list': lambda key: [text(item) for item in client.lrange(key, 0, -1)],
        'set': lambda key: sorted((text(item) for item in client.smembers(key)), key=repr),
        'hash': lambda key: {text(name): text(value) for name, value in client.hgetall(key).items()},
        'zset': lambda key: [[text(item), score] for item, score in client.zrange(key, 0, -1, withscores=True)],
    }
    found = {}
    for key in sorted(client.scan_iter(match=pattern)):
        kind = client.type(key).decode()
        if kind in readers:  # 'none': gone since the scan
            found[key.decode()] = {'type': kind, 'ttl': client.pttl(key), 'value': readers[kind](key)}
    return found


class EventLog:
    """Collects worker and task events in a thread, from ``ready`` until ``stop``."""

    PROBE = 'interop-probe'

    def __init__(self):
        self.events, self.ready, self._listening = [], threading.Event(), False
        self._stopping = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        if not self.ready.wait(10):
            raise RuntimeError('the event receiver did not get ready')

    def _run(self):
        with app.connection_for_read() as connection:
            receiver = app.events.Receiver(connection, handlers={'*': self._take})
            # The receiver consumes over a connection of its own.
            with receiver.consumer_context(wakeup=False) as (consuming, _channel, _consumers):
                # On Redis a subscription is in force some time after it was asked for: events of our own say when.
                with app.connection_for_write() as sending, app.events.Dispatcher(sending) as dispatcher:
                    while not self._listening and not self._stopping:
                        dispatcher.send(self.PROBE)
                        self._drain(consuming)
                self.ready.set()
                while not self._stopping:
                    self._drain(consuming)

    def _drain(self, consuming):
        try:
            consuming.drain_events(timeout=0.2)
        except OSError:  # socket.timeout is one
            pass

    def _take(self, event):
        if event['type'] == self.PROBE:
            self._listening = True
        else:
            self.events.append(event)

    def stop(self):
        self._stopping = True
        self._thread.join(5)
        return self.events


def wait_for(look, timeout=10.0, every=0.02):
    """Calls ``look`` until it returns something true."""
    deadline = time.monotonic() + timeout
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f'nothing after {timeout} s')
        time.sleep(every)


# --- the loop

def run(source, variables):
    scope = globals()
    scope.update(variables)
    tree = ast.parse(source, '<test>')
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, '<test>', 'exec'), scope)
    return eval(compile(ast.Expression(last.value), '<test>', 'eval'), scope) if last else None


def main():
    # What the code prints must not get into the answers.
    answers = os.fdopen(os.dup(1), 'w', encoding='utf-8')
    os.dup2(2, 1)
    answers.write('{"ready": true}\n')
    answers.flush()
    for line in sys.stdin:
        asked = json.loads(line, object_hook=decode)
        try:
            answer = json.dumps({'id': asked['id'], 'value': run(asked['source'], asked.get('vars') or {})}, default=encode)
        except BaseException as exc:  # also SystemExit: the session goes on
            error = {'type': type(exc).__name__, 'module': type(exc).__module__, 'message': str(exc),
                     'args': [repr(arg) for arg in exc.args], 'traceback': traceback.format_exc()}
            answer = json.dumps({'id': asked['id'], 'error': error})
        answers.write(answer + '\n')
        answers.flush()


if __name__ == '__main__':
    main()
