/**
 * What the URLs that were asked for lately mean, so that a read that is made again and again is taken apart once.
 *
 * Two generations: what is asked for moves to the young one, and when that is full the old one goes. What a URL
 * means never changes while the program runs. Bounds: twice GENERATION_MAX URLs of URL_LENGTH_MAX characters.
 */

export const GENERATION_MAX = 1_024
const URL_LENGTH_MAX = 512

export class RecentTargets<T> {
  readonly #targetOf: (url: string) => T
  #young = new Map<string, T>()
  #old = new Map<string, T>()

  constructor(targetOf: (url: string) => T) {
    this.#targetOf = targetOf
  }

  of(url: string): T {
    const known = this.#young.get(url)
    if (known !== undefined) return known
    const target = this.#old.get(url) ?? this.#targetOf(url)
    if (url.length > URL_LENGTH_MAX) return target
    if (this.#young.size >= GENERATION_MAX) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(url, target)
    return target
  }
}
