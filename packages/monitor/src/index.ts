/** The live view of `ct events`. */
export { runMonitor, type MonitorOptions } from './run-monitor.ts'
