/**
 * What the process is asked to do from outside: stop, stop at once, read its configuration again.
 *
 * SIGTERM and SIGINT stop cleanly; the second of them cuts. SIGHUP reloads. SIGPIPE is ignored. The
 * handlers are removed by `dispose`, after which signals have their usual effect.
 */

export interface SignalHandlers {
  readonly onStop: (signal: string) => void
  /** The user does not want to wait any longer. */
  readonly onCut: (signal: string) => void
  readonly onReload: () => void
}

export function listenForSignals(handlers: SignalHandlers): Disposable {
  let stops = 0
  const stop = (signal: string): void => {
    stops++
    if (stops === 1) handlers.onStop(signal)
    else handlers.onCut(signal)
  }
  const listeners: readonly (readonly [NodeJS.Signals, () => void])[] = [
    ['SIGTERM', () => stop('SIGTERM')],
    ['SIGINT', () => stop('SIGINT')],
    ['SIGHUP', () => handlers.onReload()],
    ['SIGPIPE', () => {}],
  ]
  for (const [signal, listener] of listeners) process.on(signal, listener)
  return {
    [Symbol.dispose]: () => {
      for (const [signal, listener] of listeners) process.off(signal, listener)
    },
  }
}
