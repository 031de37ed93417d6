"""The Python side of the judge: the same task as src/tasks.ts, the same building as src/build.ts, and a journal in Redis."""
import json
import os

import redis
from celery import chain, chord, group, signature
from celery.canvas import chunks, xmap, xstarmap
from celery.exceptions import Ignore

_clients = {}


def note(**fields):
    """One line of the journal: who ran, and with what."""
    pid = os.getpid()
    if pid not in _clients:
        _clients[pid] = redis.Redis.from_url(os.environ['CT_JUDGE_JOURNAL'])
    _clients[pid].rpush('judge:journal', json.dumps(fields))


def total(value):
    """The sum of all numbers in it, however deep."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return 0
    if isinstance(value, (int, float)):
        return value
    return sum(total(one) for one in value)


def build(node, run):
    """A canvas from a tree of src/tree.ts, by Celery's own constructors."""
    return decorated(made(node, run), node, run)


def chunked(node):
    """Whether a group still is what `chunks` makes."""
    size, members = node.get('chunk'), node['members']
    if not size or not members or any(one.get('how') != 'starmap' for one in members):
        return False
    lengths = [len(one['it']) for one in members]
    return all(length == size for length in lengths[:-1]) and 0 < lengths[-1] <= size


def made(node, run):
    kind = node['kind']
    if kind == 'task' and node['how'] in ('map', 'starmap', 'chunks'):
        if node['how'] == 'chunks':
            sig = chunks(signature('judge.item'), node['it'], node['n'])
        else:
            make = xmap if node['how'] == 'map' else xstarmap
            sig = make(signature('judge.item'), node['it'])
        sig.set(queue=node['queue'])
        if node.get('named'):
            sig.set(task_id=f"{run}-{node['tag']}")
    elif kind == 'task':
        name = 'judge.missing' if node['how'] == 'missing' else 'judge.work'
        spec = {key: node[key] for key in ('tag', 'how', 'n', 'times', 'with') if node.get(key) is not None}
        sig = signature(name, args=tuple(node.get('args') or ()), kwargs={**spec, 'run': run},
                        immutable=bool(node.get('immutable')))
        sig.set(queue=node['queue'])
        if node.get('named'):
            sig.set(task_id=f"{run}-{node['tag']}")
        if node.get('ignoreResult'):
            sig.set(ignore_result=True)
        if node.get('expired'):
            sig.set(expires='2020-01-01T00:00:00+00:00')
    elif kind == 'chain':
        sig = chain(*[build(step, run) for step in node['steps']])
    elif kind == 'group' and chunked(node):
        items = [item for one in node['members'] for item in one['it']]
        sig = chunks(signature('judge.item'), items, node['chunk']).group()
        for part, one in zip(sig.tasks, node['members']):
            part.set(queue=one['queue'])
            if one.get('named'):
                part.set(task_id=f"{run}-{one['tag']}")
            decorated(part, one, run)
    elif kind == 'group':
        sig = group([build(member, run) for member in node['members']])
    else:
        sig = chord([build(member, run) for member in node['header']], build(node['body'], run))
    return sig


def decorated(sig, node, run):
    for link in node.get('links') or ():
        sig.link(build(link, run))
    for errback in node.get('errbacks') or ():
        name = {'id': 'judge.errback', 'broken': 'judge.errbroken'}.get(errback['style'], 'judge.errany')
        sig.link_error(signature(name, kwargs={'tag': errback['tag'], 'run': run},
                                 immutable=errback['style'] == 'none').set(queue=errback['queue']))
    if node.get('stamp'):
        sig.stamp(**{node['stamp']: node['stamp']})
    return sig


def dicts(trees):
    """Each tree as the JSON text of its signature, or the name of what building it raised."""
    found = []
    for tree in trees:
        try:
            found.append({'dict': json.dumps(build(tree['root'], tree['run']))})
        except Exception as exc:
            found.append({'error': type(exc).__name__, 'message': str(exc)})
    return found


def send(app, items):
    """Sends signatures that travelled as JSON text; the handle of each, as a tuple."""
    found = []
    for item in items:
        try:
            sent = signature(json.loads(item['dict']), app=app).apply_async(args=item['args'])
            found.append({'handle': None if sent is None else sent.as_tuple()})
        except Exception as exc:
            found.append({'error': type(exc).__name__, 'message': str(exc)})
    return found


def register(app):
    @app.task(name='judge.work', bind=True, max_retries=5)
    def work(self, *args, run, tag, how='sum', n=0, times=0, **more):
        request = self.request
        note(run=run, tag=tag, id=request.id, args=args, retries=request.retries, parent=request.parent_id, lang='py',
             stamps=list(request.stamps or {}))
        if how == 'fail':
            raise ValueError(f'boom {tag}')
        if how == 'ignore':
            raise Ignore()
        if how == 'retry' and request.retries < times:
            raise self.retry(countdown=0, exc=ValueError(f'again {tag}'))
        if how == 'spent':
            raise self.retry(countdown=0, max_retries=times, exc=ValueError(f'spent {tag}'))
        if how == 'replace':
            raise self.replace(build(more['with'], run))
        if how == 'extend':
            self.add_to_chord(build(more['with'], run))
        if how == 'echo':
            return [*args, n]
        if how == 'none':
            return None
        return total(args) + n

    @app.task(name='judge.errback')
    def errback(task_id, run, tag):
        note(run=run, tag=tag, id=None, args=[task_id], retries=0, parent=None, lang='py')

    def any_(*args, run, tag):
        failed = None if not args else args[0] if isinstance(args[0], str) else args[0].id
        note(run=run, tag=tag, id=None, args=[failed], retries=0, parent=None, lang='py')

    @app.task(name='judge.errany')
    def errany(*args, run, tag):
        any_(*args, run=run, tag=tag)

    @app.task(name='judge.errbroken')
    def errbroken(*args, run, tag):
        any_(*args, run=run, tag=tag)
        raise ValueError(f'broken {tag}')

    @app.task(name='judge.item')
    def item(x, y=0):
        if x < 0:
            raise ValueError(f'item {x}')
        return 2 * x + y
