/**
 * Typed reading of merged configuration values, with defaults and collected problems.
 */

import type { StringMap } from '../catalog/types.ts'
import type { ConfigProblem, Origin } from './problem.ts'
import type { Definition, RawConfig } from './raw-config.ts'

export class RawReader {
  readonly problems: ConfigProblem[] = []
  readonly warnings: string[] = []
  readonly #raw: RawConfig

  constructor(raw: RawConfig) {
    this.#raw = raw
  }

  has(key: string): boolean {
    return this.#raw.has(key)
  }

  origin(key: string): Origin {
    return this.#raw.get(key)?.origin ?? 'the default'
  }

  text(key: string, fallback: string): string {
    const value = this.#scalar(key)
    return typeof value === 'string' ? value : fallback
  }

  bool(key: string, fallback: boolean): boolean {
    const value = this.#scalar(key)
    return typeof value === 'boolean' ? value : fallback
  }

  /** A number, or a duration in ms; reported when outside [least, most]. */
  number(key: string, fallback: number, least = 0, most = Number.MAX_SAFE_INTEGER): number {
    const value = this.#scalar(key)
    if (typeof value !== 'number') return fallback
    if (value < least || value > most) {
      const range = most === Number.MAX_SAFE_INTEGER ? `at least ${least}` : `${least} to ${most}`
      this.problem(key, `${key} cannot be ${value}`, `use ${range}`)
    }
    return value
  }

  /** -1 is off where `canBeOff`; 0 asks for any free port. */
  port(key: string, fallback: number, canBeOff: boolean): number {
    const value = this.#scalar(key)
    if (typeof value !== 'number') return fallback
    if (value > 65_535 || value < (canBeOff ? -1 : 0)) {
      const off = canBeOff ? ', or -1 to switch the listener off' : ''
      this.problem(key, `${key}: invalid port: ${value}`, `use a port from 1 to 65535${off}`)
    }
    return value
  }

  list(key: string): readonly string[] {
    const value = this.#raw.get(key)?.value
    return value?.type === 'list' ? value.value : []
  }

  map(key: string): StringMap {
    const value = this.#raw.get(key)?.value
    return value?.type === 'map' ? value.value : {}
  }

  /** Durations in ms by name. */
  durations(key: string): Readonly<Record<string, number>> {
    const value = this.#raw.get(key)?.value
    return value?.type === 'durations' ? value.value : {}
  }

  definitions(...keys: readonly string[]): readonly Definition[] {
    return keys.flatMap((key) => {
      const value = this.#raw.get(key)?.value
      return value?.type === 'definitions' ? value.value : []
    })
  }

  problem(key: string, message: string, fix: string): void {
    const origin = this.#raw.get(key)?.origin ?? ''
    this.problems.push({ key, message, origin, fix })
  }

  #scalar(key: string): string | number | boolean | undefined {
    const value = this.#raw.get(key)?.value
    return value?.type === 'scalar' ? value.value : undefined
  }
}
