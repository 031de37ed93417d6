export { channelTable, diagnostics } from './channels.ts'
export type {
  ConnectionLostMessage,
  ConnectionOpenMessage,
  DiagnosticsChannel,
  TaskPublishMessage,
  TaskReceiveMessage,
  TaskRunMessage,
} from './channels.ts'
