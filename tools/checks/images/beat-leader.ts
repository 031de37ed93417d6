/** Several beats on one Redis (docs/userguide/periodic-tasks.md). */
import { box, note, path, svg } from './shapes.ts'

svg(
  'beat-leader.svg',
  900,
  330,
  'Three beats on one Redis: the leader fires with token 8 in one script; one stands by and asks for the lead; one that was stopped wakes up with token 7 and is refused',
  [
    box({ x: 20, y: 30, w: 190, h: 70 }, 'card ts', [
      'beat A leads',
      'token 8, lease renewed',
      'every 3.3 s',
    ]),
    box({ x: 20, y: 130, w: 190, h: 70 }, 'card', ['beat B stands by', 'asks every 2 s']),
    box({ x: 20, y: 230, w: 190, h: 70 }, 'card py', ['beat C wakes up', 'led with token 7']),
    '<rect class="page" x="400" y="20" width="270" height="285" rx="12" stroke="#94a3b8" stroke-width="2"/>',
    note(535, 44, 'Redis', 'middle', 'title'),
    box({ x: 415, y: 58, w: 240, h: 92 }, 'mid', [
      'fire: one script',
      'token is the last one given?',
      'entry has not made this run?',
      'push the message, note the run',
    ]),
    box({ x: 415, y: 170, w: 240, h: 52 }, 'mid', ['lead', 'free? a new holder, token + 1']),
    note(535, 250, 'entries · runs · leader · token'),
    note(535, 270, 'ct.schedule.default.…', 'middle', 'mono'),
    box({ x: 745, y: 65, w: 135, h: 76 }, 'card', ['queue', 'each firing once', 'id = entry + instant']),
    path('M211 65 C300 65 320 95 412 98'),
    note(305, 62, 'due: token 8'),
    path('M211 165 C300 165 330 185 412 193'),
    note(300, 156, 'may I?'),
    path('M413 205 C330 215 290 190 213 178', 'back'),
    note(312, 222, 'no: A leads'),
    path('M211 262 C330 262 330 140 412 128'),
    note(275, 278, 'due: token 7'),
    path('M412 140 C350 170 360 275 213 285', 'back'),
    note(318, 306, 'refused: stands by'),
    path('M656 100 H742'),
  ].join(''),
)
