/**
 * Opens plain connections: to the local application, over TCP or a Unix socket.
 *
 * Guarantees: `done` is called exactly once unless the attempt is cancelled; a wire it gets has no bytes lost.
 */

import { connect, type NetConnectOpts } from 'node:net'
import { type Clock, instant } from '../../core/time.ts'
import type { Turn } from './turn.ts'
import { sharedRead, Wire } from './wire.ts'

export type ConnectTarget =
  | { readonly address: string; readonly port: number }
  | { readonly socketPath: string }

export interface ConnectDeps {
  readonly clock: Clock
  readonly turn: Turn
}

export interface Attempt {
  /** Closes the attempt without calling `done`. Safe at any time before `done`. */
  cancel(): void
}

/** Error of an attempt that took too long; `code` as the system would say it. */
export function timeoutError(ms: number): NodeJS.ErrnoException {
  return Object.assign(new Error(`no connection after ${ms} ms`), { code: 'ETIMEDOUT' })
}

export function connectPlain(
  target: ConnectTarget,
  timeoutMs: number,
  deps: ConnectDeps,
  done: (result: Wire | Error) => void,
): Attempt {
  let wire: Wire | undefined
  const onread = sharedRead('plain', () => wire)
  const where =
    'socketPath' in target
      ? { path: target.socketPath }
      : { host: target.address, port: target.port, noDelay: true, keepAlive: true }
  // `onread` is a documented option of every kind of connection, but missing in the types of IPC ones.
  const socket = connect({ ...where, allowHalfOpen: true, onread } as NetConnectOpts)
  wire = new Wire(socket, deps.turn, 'onread')
  return awaitWire(wire, 'connect', timeoutMs, deps.clock, done)
}

/** Waits for `event` on a new wire, or for its failure. */
export function awaitWire(
  wire: Wire,
  event: 'connect' | 'secureConnect',
  timeoutMs: number,
  clock: Clock,
  done: (result: Wire | Error) => void,
): Attempt {
  const timer = clock.timer(instant(clock.now() + timeoutMs), () => {
    wire.destroy()
    done(timeoutError(timeoutMs))
  })
  wire.handler = {
    onBytes: () => {},
    onEnd: () => {},
    onDrain: () => {},
    onClosed: (err) => {
      timer.cancel()
      done(err ?? new Error('the connection was closed before it was ready'))
    },
  }
  wire.socket.once(event, () => {
    if (wire.isDestroyed) return
    timer.cancel()
    done(wire)
  })
  return {
    cancel: () => {
      timer.cancel()
      wire.destroy()
    },
  }
}
