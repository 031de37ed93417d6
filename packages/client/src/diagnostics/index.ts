export { channelTable, diagnostics } from './channels.ts'
export type {
  ConnectionLostMessage,
  ConnectionOpenMessage,
  DiagnosticsChannel,
  MessageChannel,
  MomentsChannel,
  TaskPublishMessage,
  TaskReceiveMessage,
  TaskReturnMessage,
  TaskRunMessage,
} from './channels.ts'
