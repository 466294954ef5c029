/**
 * Real servers on hosts of their own, concurrent clients, faults of network and processes: what the clients
 * saw must be linearizable, and no write that was acknowledged may be missing in the end.
 *
 * FAIRLEAD_CLUSTER_ROUNDS=n goes through all faults n times (1 by default), FAIRLEAD_SEED replays the choices.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fight } from './harness/campaign.ts'
import {
  CLOCK_JUMPS,
  CLOCK_STROBE,
  clockEnvironment,
  whyNoFakeClock,
} from './harness/clock-acts.ts'
import { whyNoHosts } from './harness/host-commands.ts'
import { judge } from './harness/judge.ts'
import {
  type Act,
  BREAK_CONNECTIONS,
  BRIDGE,
  CRASH_LOOP,
  DUPLICATED,
  ISOLATE_LEADER,
  ISOLATE_RANDOM,
  KILL_ALL,
  KILL_LEADER,
  KILL_RANDOM,
  LEADER_HEARS_NOBODY,
  lossy,
  NOBODY_HEARS_LEADER,
  PAUSE_EACH,
  PAUSE_LEADER,
  PAUSE_RANDOM,
  SLOW_LINK,
} from './harness/nemesis.ts'
import { workloads } from './harness/workloads.ts'

const NETWORK_FAULTS: readonly Act[] = [
  ISOLATE_LEADER,
  LEADER_HEARS_NOBODY,
  NOBODY_HEARS_LEADER,
  ISOLATE_RANDOM,
  BRIDGE,
  lossy(20),
  DUPLICATED,
  SLOW_LINK,
  BREAK_CONNECTIONS,
]

const PROCESS_FAULTS: readonly Act[] = [
  KILL_LEADER,
  PAUSE_LEADER,
  KILL_ALL,
  KILL_RANDOM,
  PAUSE_RANDOM,
  PAUSE_EACH,
  CRASH_LOOP,
]

const reason = whyNoHosts()

describe('three real servers', { skip: reason ?? false, timeout: 3_600_000 }, () => {
  it('stay linearizable while the network fails', async (t) => {
    await fight({
      acts: NETWORK_FAULTS,
      tell: (text) => t.diagnostic(text),
      workloads: workloads({ losesPackets: true }),
    })
  })

  it('stay linearizable while processes die and stall', async (t) => {
    await fight({
      acts: PROCESS_FAULTS,
      tell: (text) => t.diagnostic(text),
      workloads: workloads({ losesPackets: false }),
    })
  })

  it('stay linearizable while wall clocks jump', { skip: whyNoFakeClock() ?? false }, async (t) => {
    await using clocks = await clockEnvironment()
    await fight({
      acts: [CLOCK_JUMPS(clocks), CLOCK_STROBE(clocks)],
      tell: (text) => t.diagnostic(text),
      servers: { env: (host) => clocks.env(host) },
    })
  })

  it('are seen to be not linearizable when stale reads are taken for current ones', async (t) => {
    await fight({
      acts: [ISOLATE_LEADER, LEADER_HEARS_NOBODY],
      rounds: 1,
      consistency: 'stale',
      // A write through a server that is cut off holds its client up, and nobody sees what is stale.
      readShare: 0.9,
      tell: (text) => t.diagnostic(text),
      judge: (events) => {
        assert.throws(() => judge(events), /cannot be explained/)
        return 'stale reads were found out'
      },
    })
  })
})
