import type { Contestant } from '../contestant.ts'
import { bareLoop } from './bare-loop.ts'
import { beeQueue } from './bee-queue.ts'
import { bullmq } from './bullmq.ts'
import { celery } from './celery.ts'

export const contestants: readonly Contestant[] = [bareLoop, bullmq, beeQueue, celery]
