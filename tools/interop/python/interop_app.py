"""The Celery app of the interop tests, configured by the environment.

CT_INTEROP holds a JSON object:
  broker, backend  URLs
  config           Celery settings under their lower-case names
  setup            Python source, run with ``app`` in scope, for what JSON cannot say (queues, further tasks, signals)
  record           path of a file to which tasks append JSON lines
"""
import json
import os

from celery import Celery

options = json.loads(os.environ.get('CT_INTEROP', '{}'))

app = Celery('interop', broker=options.get('broker'), backend=options.get('backend'))
app.conf.update(options.get('config') or {})


def record(**fields):
    """Appends a line to the record file. One write with O_APPEND, so lines of many processes do not mix."""
    path = options.get('record')
    if not path:
        return
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(fd, (json.dumps(fields, default=repr) + '\n').encode())
    finally:
        os.close(fd)


def run_setup(namespace):
    """Runs the test's own source, when there is one."""
    source = options.get('setup')
    if source:
        exec(compile(source, '<setup>', 'exec'), namespace)
