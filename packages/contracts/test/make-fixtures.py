"""Writes celery-fixtures.json: what the real Celery and kombu put on the wire and read from it.

Run with the Python of an environment that has celery==5.7.0, brotli and backports.zstd:
    python make-fixtures.py > celery-fixtures.json
The output is the same every time: seeds and ids are fixed.
"""
import base64
import datetime as dt
import decimal
import json
import os
import random
import socket
import sys
import uuid

rnd = random.Random(20260501)
# Before Celery takes hold of them: ids and node names must not change from run to run.
uuid.uuid4 = lambda: uuid.UUID(int=rnd.getrandbits(128), version=4)
os.getpid = lambda: 1
socket.gethostname = lambda: 'host'

import celery
import kombu
from celery import Celery, chain, chord, group
from celery.utils.saferepr import saferepr
from dateutil.parser import isoparse
from kombu import compression
from kombu.transport.memory import Channel
from kombu.utils.json import dumps, loads

UTC = dt.timezone.utc
out = {'celery': celery.__version__, 'kombu': kombu.__version__}

# --- JSON ---------------------------------------------------------------------------------------------------------
utc = dt.datetime(2024, 5, 1, 10, 0, 0, 123456, tzinfo=UTC)
exact = [
    None, True, False, 0, -1, 2 ** 53 - 1, 2 ** 53, -2 ** 64, 10 ** 30, 1.5, -0.0, 1e16, 1e22, 1e-5, 0.0001, 1e-7, 5e-324,
    1.7976931348623157e308, 123456789012345680000.0, 0.1, 1 / 3, float('nan'), float('inf'), float('-inf'), '', 'a "b" \\ / \n\t\x00\x1f\x7f',
    'h\u00e9 \u20ac \U0001F600 \u2028 \ud800', [], {}, [[]], {'a': {}}, [1, [2, [3, {'k': [None]}]]], {'b': 1, 'a': 2, '': 3, 'h\u00e9': 4},
    {'__proto__': 1, 'constructor': {'prototype': 2}, 'toString': 3, 'hasOwnProperty': 4}, {'__type__': 'x'}, {'__value__': 1},
    {'__type__': 'datetime', '__value__': 1, 'more': 2},
    utc, utc.replace(microsecond=0), utc.replace(microsecond=5000), dt.datetime(2024, 5, 1, 10), dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999999),
    dt.datetime(2024, 5, 1, 10, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=45))), dt.datetime(2024, 5, 1, 10, tzinfo=dt.timezone(-dt.timedelta(seconds=3661))),
    dt.date(2024, 2, 29), dt.time(1, 2, 3), dt.time(1, 2, 3, 4), dt.time(23, 59, tzinfo=UTC), decimal.Decimal('1.10'), decimal.Decimal('-1E+30'), decimal.Decimal('NaN'),
    uuid.UUID('41b1c752-31fe-4c53-aa75-cdc1a6582df5'), b'', b'plain', 'h\u00e9'.encode(), b'\xff\xfe\x00', bytes(range(256)), {'deep': [{'when': utc, 'raw': b'\xff'}]},
]
out['json_exact'] = [dumps(value) for value in exact]
# Python keeps 1.0 apart from 1; a decoded number cannot.
out['json_floats'] = [[dumps(v), repr(v)] for v in [1.0, 1e15, -3.0, 1e16, 1e100, 0.0, 123456789.0, 1e-4, 9.999e-5, 1e21, 1e17]]
floats = []
for _ in range(200):
    mantissa = rnd.random() * 10 ** rnd.randint(-320, 308)
    value = float(mantissa) if rnd.random() < 0.7 else float('%.*g' % (rnd.randint(1, 5), mantissa))
    if not value.is_integer() or abs(value) >= 2 ** 53:
        floats.append(dumps(value))
out['json_random_floats'] = floats


def mutated():
    seeds = ['[1, 2.5e3, "x\\n\\u00e9", {"a": [true, false, null]}]', '{"__type__": "date", "__value__": "2024-01-02"}', '[NaN, Infinity, -Infinity]',
             '[12345678901234567890, -0, 0.10, 1E5, -1.5e-3]', ' {"a" : 1 , "b":[ ] } ', '"\\ud83d\\ude00 \\/ \\b\\f"', '{"a": {"b": {"c": [[["deep"]]]}}}']
    text = list(rnd.choice(seeds))
    for _ in range(rnd.randint(1, 3)):
        at = rnd.randrange(len(text) + 1)
        kind = rnd.random()
        if kind < 0.4 and text:
            del text[min(at, len(text) - 1)]
        elif kind < 0.8:
            text.insert(at, rnd.choice('[]{}",:0123456789.eE+-\\ntfuNI \t\n\x01\u00e9'))
        elif text:
            text[min(at, len(text) - 1)] = rnd.choice('[]{}",:0eE+-.\\NIntf ')
    return ''.join(text)


def accepted(text):
    try:
        loads(text)
        return True
    except Exception:
        return False


out['json_validity'] = [[text, accepted(text)] for text in dict.fromkeys(mutated() for _ in range(700))]

# --- reprs ----------------------------------------------------------------------------------------------------------


def value_of(depth):
    kind = rnd.random()
    if depth > 0 and kind < 0.25:
        return [value_of(depth - 1) for _ in range(rnd.randint(0, 5))]
    if depth > 0 and kind < 0.5:
        return {text(): value_of(depth - 1) for _ in range(rnd.randint(0, 4))}
    return rnd.choice([None, True, False, rnd.randint(-5, 10 ** 6), rnd.randint(0, 10 ** 25), rnd.random() * 1e4, 1e-9, text(), text(), text()])


def text():
    return ''.join(rnd.choice('abc de\'"\\\n\u00e9\u20ac\U0001F600 xyz') for _ in range(rnd.choice([0, 1, 3, 8, 30, 90])))


cases = []
for _ in range(260):
    args = [value_of(5) for _ in range(rnd.randint(0, 5))]
    kwargs = {text(): value_of(4) for _ in range(rnd.randint(0, 4))}
    maxlen = rnd.choice([1024, 1024, 1024, 300, 60, 20, 5])
    levels = rnd.choice([3, 3, 3, 1, 2, 5])
    if len(dumps([args, kwargs])) > 1400:
        continue
    cases.append([dumps(args), dumps(kwargs), maxlen, levels, saferepr(tuple(args), maxlen, maxlevels=levels), saferepr(kwargs, maxlen, maxlevels=levels)])
typed = [utc, utc.replace(microsecond=0, second=0), dt.datetime(2024, 5, 1, 10), dt.date(2024, 5, 1), dt.time(1, 2), dt.time(1, 2, 3, 4), decimal.Decimal('1.10'),
         uuid.UUID(int=5), b'text', b'\xff\x00', b"it's", dt.datetime(2024, 5, 1, 10, tzinfo=dt.timezone(-dt.timedelta(hours=5)))]
cases.append([dumps(typed), dumps({'a': typed}), 1024, 3, saferepr(tuple(typed), 1024, maxlevels=3), saferepr({'a': typed}, 1024, maxlevels=3)])
out['saferepr'] = cases
plain = [None, True, 1, 2 ** 70, 1.5, -0.0, 1e16, 'it', "it's", 'say "hi"', '\'"', 'a\nb\t\\ \x00\x7f\x85\u00e9\u200b\u2028\U0001F600\ue000', [], [1, [2]], {}, {'a': [1]},
         {'a': None, "it's": b'\xff\''}] + typed
out['repr'] = [[dumps(v), repr(v)] for v in plain]

# --- times ----------------------------------------------------------------------------------------------------------
times = ['2024-05-01T10:00:00+00:00', '2024-05-01T10:00:00Z', '2024-05-01T10:00:00', '2024-05-01T10:00:00.1', '2024-05-01T10:00:00,123456', '2024-05-01T10:00:00.123+02:00',
         '20240501T100000Z', '20240501T1000', '2024-05-01T10', '2024-05-01', '2024-05', '2024', '20240501', '2024-05-01T24:00', '2024-05-01T24:00:01', '2024-W18-3', '2024W183',
         '2024-W18', '2024-122', '2024122', '2024-02-30', '2024-13-01', '2023-366', '2024-366', '', 'soon', '2024-05-01T10:00:00-0530', '2024-05-01T10:00:00+05', '2024-05-01T10:00:60',
         '2024-05-01T25:00', '2024-05-01T10:00:00 +00:00', '2024-05-01T10:00:00.123456789Z', '0001-01-01T00:00:00Z', '9999-12-31T23:59:59.999999Z', '1714557600', '2024-W53-1', '2020-W53-7',
         '0000-01-01', '2024-05-01T10:00:00+24:00', '2024-05-01T', 'T10:00', '2024-5-1', '2024-05-01T1:00', '2024-0501', '202405-01', '2024-05-01T10:0000', '2024-05-01T1000:00', '2024-05-01T10:00:00.']


def millis(text):
    try:
        value = isoparse(text)
    except Exception:
        return None
    value = value if value.tzinfo else value.replace(tzinfo=UTC)
    return (value - dt.datetime(1970, 1, 1, tzinfo=UTC)) // dt.timedelta(milliseconds=1)


out['isoparse'] = [[text, millis(text)] for text in times]

# --- compression -------------------------------------------------------------------------------------------------------
payload = ('{"text": "' + 'lorem ipsum ' * 50 + '"}').encode()
out['compression'] = {'plain': payload.decode(), **{name: [compression.compress(payload, name)[1], base64.b64encode(compression.compress(payload, name)[0]).decode()]
                                                     for name in ('zlib', 'gzip', 'bzip2', 'lzma', 'brotli', 'zstd')}}

# --- messages -------------------------------------------------------------------------------------------------------------
captured = []
channel_put = Channel._put


def put(self, queue, message, **kwargs):
    captured.append(message)
    return channel_put(self, queue, message, **kwargs)


Channel._put = put
Celery.thread_oid = property(lambda self: 'eacd0f79-baa2-35e4-8556-20d6e0c44a40')
app = Celery('proj', broker='memory://', backend='cache+memory://')
FIXED = dt.datetime(2024, 5, 1, 10, 0, 0, 123456, tzinfo=UTC)
app.now = lambda: FIXED


@app.task(name='proj.add')
def add(x, y):
    return x + y


def sent(name, call):
    captured.clear()
    call()
    # Redis and its kin write the message with kombu's JSON; the memory transport hands over the mapping.
    return [name, [dumps(message) for message in captured]]


common = {'task_id': '41b1c752-31fe-4c53-aa75-cdc1a6582df5', 'reply_to': 'eacd0f79-baa2-35e4-8556-20d6e0c44a40', 'origin': 'gen1@host'}
messages = [
    sent('by-name', lambda: app.send_task('proj.add', (2, 2), **common)),
    sent('kwargs', lambda: add.apply_async((), {'x': 1.5, 'y': 'h\u00e9'}, **common)),
    sent('expires', lambda: app.send_task('proj.add', (2, 2), expires=60, **common)),
    sent('eta', lambda: app.send_task('proj.add', (2, 2), countdown=3, **common)),
    sent('naive', lambda: app.send_task('proj.add', (2, 2), eta=dt.datetime(2030, 1, 1), **common)),
    sent('all', lambda: app.send_task('proj.add', [utc, b'\xff', None, True], {'k': [1, {'n': 2}]}, headers={'foo': 1, 'trace': {'a': []}}, stamped_headers=['stamp'], stamp=['s1'], shadow='shown',
                                      priority=3, time_limit=30, soft_time_limit=10.5, group_id='G', group_index=2, root_id='R', parent_id='P', retries=1, ignore_result=True,
                                      replaced_task_nesting=1, argsrepr='(hidden)', kwargsrepr='{hidden}', **common)),
    sent('zlib', lambda: app.send_task('proj.add', (2, 2), compression='zlib', **common)),
    sent('link', lambda: add.apply_async((1, 2), link=add.s(3), link_error=[add.si(4), add.s()], **common)),
    sent('chain', lambda: chain(add.s(1, 2), add.s(3), add.s(1.0)).apply_async()),
    sent('group', lambda: group(add.s(1, 2), add.s(3, 4)).apply_async()),
]
app.conf.task_protocol = 1
del app.amqp  # it caches the protocol
messages.append(sent('protocol-1', lambda: app.send_task('proj.add', (1, 2), {'z': 3}, expires=60, link=add.s(3), **common)))
out['messages'] = messages

# --- results ------------------------------------------------------------------------------------------------------------------
backend = app.backend


class Request:
    group = 'G'
    parent_id = 'P'
    children = []
    task = 'proj.add'
    args = [1, 2]
    kwargs = {}
    hostname = 'w1@host'
    retries = 0
    delivery_info = {'routing_key': 'celery'}
    stamps = {'stamp': ['s1'], 'other': 1}
    stamped_headers = ['stamp']


def document(result, state, traceback=None, request=None):
    meta = backend._get_result_meta(result=result, state=state, traceback=traceback, request=request)
    meta['task_id'] = 'T'
    return backend.encode(meta)


class Custom(Exception):
    class Inner(Exception):
        pass


results = [
    ['success', document(3, 'SUCCESS', request=Request)],
    ['requestless', document({'a': [1.5, utc]}, 'SUCCESS')],
    ['failure', document(backend.prepare_exception(ValueError('bad', 3)), 'FAILURE', 'Traceback (most recent call last):\nValueError: bad\n', Request)],
    ['unencodable argument', document(backend.prepare_exception(ValueError({1, 2})), 'FAILURE')],
    ['nested class', document(backend.prepare_exception(Custom.Inner('x')), 'FAILURE')],
    ['revoked', document(backend.prepare_exception(celery.exceptions.TaskRevokedError('expired')), 'REVOKED')],
    ['custom', document({'done': 5}, 'PROGRESS')],
    ['retry', document(None, 'RETRY')],
]
app.conf.result_extended = True
results.append(['extended', document(3, 'SUCCESS', request=Request)])
out['results'] = results
res = celery.result.GroupResult('G', [app.AsyncResult('a', parent=app.AsyncResult('p')), celery.result.GroupResult('H', [app.AsyncResult('b')])], parent=app.AsyncResult('q'))
out['group'] = backend.encode({'result': res.as_tuple()})

json.dump(out, sys.stdout, ensure_ascii=True, indent=0, separators=(',', ':'))
