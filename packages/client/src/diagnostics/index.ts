export { channelTable, diagnostics } from './channels.ts'
export type {
  ConnectionLostMessage,
  ConnectionOpenMessage,
  DiagnosticsChannel,
  TaskPublishMessage,
  TaskReceiveMessage,
  TaskReturnMessage,
  TaskRunMessage,
} from './channels.ts'
