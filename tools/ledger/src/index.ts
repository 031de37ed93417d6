export { runCampaign, type CampaignOptions, type CampaignReport } from './campaign.ts'
export { ctFaults, rabbitFaults, type FaultKind } from './faults.ts'
export { summarize } from './summary.ts'
export { Random } from './random.ts'
