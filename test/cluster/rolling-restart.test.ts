/**
 * All servers restarted one by one under load, with farewell and without (verification 25 T20): no write that
 * was acknowledged is lost, and a client that retries as the API says sees no error as the last word.
 */

import { describe, it } from 'node:test'
import { fight } from './harness/campaign.ts'
import { whyNoHosts } from './harness/host-commands.ts'
import { ROLLING_CRASH, ROLLING_RESTART } from './harness/nemesis.ts'
import { RetryWorkload } from './harness/retry-workload.ts'

describe('a rolling restart', { skip: whyNoHosts() ?? false, timeout: 600_000 }, () => {
  it('is not noticed by clients that retry', async (t) => {
    await fight({
      acts: [ROLLING_RESTART, ROLLING_CRASH],
      tell: (text) => t.diagnostic(text),
      workloads: (urls, rng) => [new RetryWorkload(urls, rng)],
    })
  })
})
