/**
 * Topic keys: AMQP's matching, and the regular expressions that kombu stores in binding tables.
 *
 * The two differ in one point: in AMQP `#` also stands for no word at all, so `worker.#` matches `worker`; kombu's expression
 * wants the dot. {@link topicMatches} is AMQP's; {@link patternMatches} follows a stored expression to the letter.
 */

/** AMQP 0-9-1 §3.1.3.3: `*` is exactly one word, `#` any number of them, words are parted by dots. Linear in time and space. */
export function topicMatches(bindingKey: string, routingKey: string): boolean {
  const pattern = bindingKey.split('.')
  const words = routingKey === '' ? [] : routingKey.split('.')
  let p = 0
  let w = 0
  let hash = -1
  let hashWord = 0
  // Greedy with one step back, as for globs: only the last `#` ever needs another try.
  while (w < words.length) {
    if (p < pattern.length && pattern[p] === '#') {
      hash = p++
      hashWord = w
    } else if (p < pattern.length && (pattern[p] === '*' || pattern[p] === words[w])) {
      p++
      w++
    } else if (hash >= 0) {
      p = hash + 1
      w = ++hashWord
    } else {
      return false
    }
  }
  while (p < pattern.length && pattern[p] === '#') p++
  return p === pattern.length || (words.length === 0 && bindingKey === '')
}

/** kombu's `escape_regex(key, white='.#*')`: everything but Unicode letters and digits and the three gets a backslash. */
function escapeKey(bindingKey: string): string {
  return bindingKey.replace(/[^\p{L}\p{N}.#*]/gu, (character) =>
    character === '\0' ? '\\000' : `\\${character}`,
  )
}

function patternText(bindingKey: string, star: string): string {
  const words = escapeKey(bindingKey)
    .split('.')
    .map((word) => (word === '*' ? star : word === '#' ? '.*?' : word))
  return `^${words.join('\\.')}$`
}

/** The expression kombu 5.7 stores for a topic binding (kombu/transport/virtual/exchange.py; D57-33): `a.*` → `^a\.[^\.]+$`. */
export function topicPattern(bindingKey: string): string {
  return patternText(bindingKey, '[^\\.]+')
}

/** What kombu 5.6 and before stored for the same binding; to be removed along with the new one on unbind. */
export function legacyTopicPattern(bindingKey: string): string {
  return patternText(bindingKey, '.*?[^\\.]')
}

const compiled = new Map<string, RegExp | undefined>()
const maxCompiled = 1_000

/** Whether a routing key fits an expression found in a binding table. An expression that does not compile matches nothing. */
export function patternMatches(pattern: string, routingKey: string): boolean {
  let expression = compiled.get(pattern)
  if (expression === undefined && !compiled.has(pattern)) {
    if (compiled.size >= maxCompiled) compiled.clear()
    try {
      // No `u` flag: Python's identity escapes (`\_`) are errors with it.
      expression = new RegExp(pattern)
    } catch {
      expression = undefined
    }
    compiled.set(pattern, expression)
  }
  return expression?.test(routingKey) ?? false
}
