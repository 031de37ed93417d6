export { runCampaign, type CampaignOptions, type CampaignReport } from './campaign.ts'
export { ctFaults, type FaultKind } from './faults.ts'
export { summarize } from './summary.ts'
