import type { Contestant } from '../contestant.ts'
import { bareLoop } from './bare-loop.ts'
import { beeQueue } from './bee-queue.ts'
import { bullmq } from './bullmq.ts'
import { celery } from './celery.ts'
import { ct } from './ct.ts'

export const contestants: readonly Contestant[] = [ct, bareLoop, bullmq, beeQueue, celery]
