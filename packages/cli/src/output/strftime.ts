/** Times in the words of C's and Python's `strftime`, in local time and English, as Python writes them in the C locale (D57-117). */

const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
const months = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
]

const two = (value: number): string => String(value).padStart(2, '0')
const spaced = (value: number): string => String(value).padStart(2, ' ')
const hour12 = (at: Date): number => at.getHours() % 12 || 12
const half = (at: Date): string => (at.getHours() < 12 ? 'AM' : 'PM')

/** From 1; days are counted in UTC, where each has 24 hours. */
function dayOfYear(at: Date): number {
  const year = at.getFullYear()
  return (Date.UTC(year, at.getMonth(), at.getDate()) - Date.UTC(year, 0, 0)) / 86_400_000
}

/** Of the week that `at` lies in, where weeks begin with day `first` (0 is Sunday) and days before the first such day are week 0. */
function weekOfYear(at: Date, first: number): number {
  return Math.floor((dayOfYear(at) + 6 - ((at.getDay() - first + 7) % 7)) / 7)
}

/** ISO 8601: the week belongs to the year that its Thursday lies in. */
function isoWeek(at: Date): { readonly year: number; readonly week: number } {
  const thursday = new Date(at.getFullYear(), at.getMonth(), at.getDate() - ((at.getDay() + 6) % 7) + 3)
  return { year: thursday.getFullYear(), week: Math.floor((dayOfYear(thursday) - 1) / 7) + 1 }
}

function offset(at: Date): string {
  const minutes = -at.getTimezoneOffset()
  const size = Math.abs(minutes)
  return `${minutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}${two(size % 60)}`
}

function zoneName(at: Date): string {
  const parts = new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' }).formatToParts(at)
  return parts.find((part) => part.type === 'timeZoneName')?.value ?? ''
}

const directives: Readonly<Record<string, string | ((at: Date) => string)>> = {
  a: (at) => days[at.getDay()]!.slice(0, 3),
  A: (at) => days[at.getDay()]!,
  b: (at) => months[at.getMonth()]!.slice(0, 3),
  B: (at) => months[at.getMonth()]!,
  c: '%a %b %e %H:%M:%S %Y',
  C: (at) => two(Math.floor(at.getFullYear() / 100)),
  d: (at) => two(at.getDate()),
  D: '%m/%d/%y',
  e: (at) => spaced(at.getDate()),
  F: '%Y-%m-%d',
  g: (at) => two(isoWeek(at).year % 100),
  G: (at) => String(isoWeek(at).year),
  h: '%b',
  H: (at) => two(at.getHours()),
  I: (at) => two(hour12(at)),
  j: (at) => String(dayOfYear(at)).padStart(3, '0'),
  k: (at) => spaced(at.getHours()),
  l: (at) => spaced(hour12(at)),
  m: (at) => two(at.getMonth() + 1),
  M: (at) => two(at.getMinutes()),
  n: () => '\n',
  p: half,
  P: (at) => half(at).toLowerCase(),
  r: '%I:%M:%S %p',
  R: '%H:%M',
  s: (at) => String(Math.floor(at.getTime() / 1000)),
  S: (at) => two(at.getSeconds()),
  t: () => '\t',
  T: '%H:%M:%S',
  u: (at) => String(at.getDay() || 7),
  U: (at) => two(weekOfYear(at, 0)),
  V: (at) => two(isoWeek(at).week),
  w: (at) => String(at.getDay()),
  W: (at) => two(weekOfYear(at, 1)),
  x: '%m/%d/%y',
  X: '%H:%M:%S',
  y: (at) => two(at.getFullYear() % 100),
  Y: (at) => String(at.getFullYear()),
  z: offset,
  Z: zoneName,
  '%': () => '%',
}

/** What is no directive stays as it is, as glibc leaves it. */
export function strftime(format: string, at: Date): string {
  return format.replaceAll(/%(.)/gs, (whole, letter: string) => {
    const directive = Object.hasOwn(directives, letter) ? directives[letter] : undefined
    if (directive === undefined) return whole
    return typeof directive === 'string' ? strftime(directive, at) : directive(at)
  })
}
