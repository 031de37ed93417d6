/** How long a test looks for what must come: `expect.poll`, `vi.waitFor` and `vi.waitUntil` without a time of their own. */
export const patienceMs = 15_000
