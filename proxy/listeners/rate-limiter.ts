/**
 * The rate limits in front of an application (mesh.md 10.9): the first route whose path matches has its own bucket and replaces
 * that of the service.
 */

import type { InboundRateLimits } from '../../core/mesh/proxy-snapshot.ts'
import { TokenBucket } from '../../core/resilience/token-bucket.ts'
import type { Instant } from '../../core/time.ts'
import type { RequestHead } from '../http1/message.ts'
import { RequestView } from '../http1/request-view.ts'
import { type TextTest, textTest } from '../routing/text-test.ts'

export class RateLimiter {
  readonly #routes: readonly { readonly test: TextTest; readonly bucket: TokenBucket }[]
  readonly #all: TokenBucket | undefined

  constructor({ routes, all }: InboundRateLimits, now: Instant) {
    this.#routes = routes.map(({ path, limit }) => ({
      test: textTest(path),
      bucket: new TokenBucket(limit, now),
    }))
    this.#all = all === undefined ? undefined : new TokenBucket(all, now)
  }

  /** @returns false when the request is one too many */
  admits(head: RequestHead, now: Instant): boolean {
    if (this.#routes.length > 0) {
      const { path } = new RequestView(head.text)
      for (const { test, bucket } of this.#routes) if (test(path)) return bucket.take(now)
    }
    return this.#all?.take(now) ?? true
  }
}
