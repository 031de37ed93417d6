import type { RabbitContestant } from '../contestant.ts'
import { celery } from './celery.ts'
import { ct } from './ct.ts'
import { confirmedLoop, plainLoop } from './plain-loop.ts'

export const rabbitContestants: readonly RabbitContestant[] = [ct, plainLoop, confirmedLoop, celery]
