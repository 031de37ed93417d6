import { ensurePython, PYTHON_VERSIONS } from './python-environment.ts'

// Makes the Python environments ahead of the tests, so that their time is not counted against a test.
for (const version of [...PYTHON_VERSIONS, 'flower', 'otel'] as const) {
  const { folder } = await ensurePython(version)
  process.stdout.write(`${version}: ${folder}\n`)
}
