/** Handles that an adapter may open and must close: sockets, pipes, files. Timers of the test runner come and go, so they are not here. */
export function openHandles(): string[] {
  return process.getActiveResourcesInfo().filter((kind) => /^(TCP|Pipe|TLS|UDP|FS|File|Stat)/.test(kind))
}
