/** What threads and child processes differ in: how a slot is started, spoken to and ended. */
import type { ToSlot } from './slot-frames.ts'

/** Why a slot is gone, as far as it is known. */
export interface SlotExit {
  readonly exitCode: number | undefined
  readonly signal: string | undefined
  /** In words, where there are better ones than code and signal (out of memory, could not be started). */
  readonly reason: string | undefined
}

/** A started thread or child. */
export interface SlotChannel {
  /** Of the process that runs it. */
  readonly pid: number
  /** Frames in order, as one message. Throws when one of them cannot be cloned; then none is sent. What a dead slot is sent is dropped. */
  send(frames: readonly ToSlot[]): void
  /** A part of a message has arrived, the rest is on its way. */
  readonly holdsPart: boolean
  /**
   * False: what the slot says stays where it is, outlives the slot, and does not wake this thread again and again. True: it is heard from the next turn of the event loop on.
   * Without it the pool always listens.
   */
  listen?(on: boolean): void
  /** `ends`: nothing can keep it alive now. `told`: it has the signal and decides by itself. Undefined: ends it whatever it does. */
  kill(signal?: string): 'ends' | 'told' | 'impossible'
}

export interface OpenSlotOptions {
  readonly index: number
  readonly lostWaitMs: number
  readonly maxMemoryPerChildKb: number | undefined
  /** A batch, as the slot sent it. */
  readonly onFrames: (frames: unknown) => void
  /** The slot calls (`SlotLink.call`); comes whether the pool listens or not. */
  readonly onCall: () => void
  /** Once, after every frame the slot sent. */
  readonly onExit: (exit: SlotExit) => void
}

/** What threads and processes differ in. */
export interface SlotTransport {
  open(options: OpenSlotOptions): SlotChannel
}

export function inWords({ exitCode, signal, reason }: SlotExit): string {
  if (reason !== undefined) return reason
  if (signal !== undefined) return `signal ${signal}`
  return `exitcode ${exitCode ?? 'unknown'}`
}
