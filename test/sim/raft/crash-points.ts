/**
 * Where a simulated server can die: between any two effects, each place by name (verification 5.3).
 *
 * A server is told to die at once, after some number of effects, or at the next passage of a named place. It
 * dies by throwing `DIED` through everything that its dead process would have gone on to do.
 */

export const CRASH_POINTS = [
  'write.before',
  'write.before-sync',
  'write.synced',
  'send',
  'apply.between',
  'apply.before-told',
  'hint.written',
  'image.take.writing',
  'image.take.renamed',
  'image.take.pointed',
  'image.take.before-delete',
  'image.take.deleted',
  'image.receive.chunk',
  'image.receive.before-sync',
  'image.receive.durable',
  'image.restore.before',
  'image.restore.before-told',
  'recovery.ended',
] as const

export type CrashPoint = (typeof CRASH_POINTS)[number]

/** Not an error: a process that is no more. */
export const DIED = Symbol('the server died')

export class CrashPlan {
  #effectsLeft = Number.POSITIVE_INFINITY
  #armed: CrashPoint | null = null

  afterEffects(count: number): void {
    this.#effectsLeft = count
  }

  at(point: CrashPoint): void {
    this.#armed = point
  }

  clear(): void {
    this.#effectsLeft = Number.POSITIVE_INFINITY
    this.#armed = null
  }

  /** @returns whether the server dies here */
  passes(point: CrashPoint): boolean {
    this.#effectsLeft--
    return this.#effectsLeft <= 0 || this.#armed === point
  }
}
