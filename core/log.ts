/**
 * The logger as the rest of fairlead sees it; implemented over pino in runtime/log/.
 *
 * A message is a constant sentence in lower case; facts are fields with fixed names (`node`, `service`,
 * `term`, `index`, `peer`, `durationMs`, `err`).
 */

import type { LogLevel } from './config/model.ts'

export type LogFacts = Readonly<Record<string, unknown>>

export interface Logger {
  trace(message: string, facts?: LogFacts): void
  debug(message: string, facts?: LogFacts): void
  info(message: string, facts?: LogFacts): void
  warn(message: string, facts?: LogFacts): void
  error(message: string, facts?: LogFacts): void
  child(component: string): Logger
}
export interface LogFollower {
  readonly level: LogLevel
  /** One JSON object a line instead of the human form. */
  readonly json: boolean
  /** Gets whole lines with their ends. Must not log and must not wait. */
  write(line: string): void
}

/** Every line of a process's log, also below the level at which it prints. */
export interface LogLines {
  /** @returns ends it */
  follow(follower: LogFollower): () => void
}

const nothing = (): void => {}

/** Discards everything; for tests and for cores hosted without a log. */
export const silentLogger: Logger = {
  trace: nothing,
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  child: () => silentLogger,
}
