/**
 * What is done to the servers while clients work (verification 22.3): each act has a beginning and an end.
 *
 * All choices come from a seed. An act that could not have an effect says so (`isEffective`), so that a run
 * in which nothing happened is not counted as a proof.
 */

import type { Rng } from '../../../core/rng.ts'
import { pause } from './api-client.ts'
import type { HostProcess } from './host-process.ts'
import type { TestNetwork } from './test-network.ts'
import type { TestServers } from './test-servers.ts'

export interface Battlefield {
  readonly network: TestNetwork
  readonly servers: TestServers
  readonly rng: Rng
}

export interface Act {
  readonly name: string
  begin(field: Battlefield): Promise<void>
  end(field: Battlefield): Promise<void>
}

async function leaderOrAny({ servers, rng }: Battlefield): Promise<HostProcess> {
  for (const server of servers.all) {
    if (server.isRunning && (await server.isLeader())) return server
  }
  return rng.pick(servers.all) as HostProcess
}

async function restartAll({ servers }: Battlefield): Promise<void> {
  await Promise.all(servers.all.map((server) => server.start()))
}

function isolateLeader(direction: 'both' | 'in' | 'out'): Act {
  return {
    name: `leader cut off (${direction})`,
    begin: async (field) => {
      await field.network.isolate((await leaderOrAny(field)).host, direction)
    },
    end: ({ network }) => network.heal(),
  }
}

export const ISOLATE_LEADER = isolateLeader('both')
export const LEADER_HEARS_NOBODY = isolateLeader('in')
export const NOBODY_HEARS_LEADER = isolateLeader('out')

export const ISOLATE_RANDOM: Act = {
  name: 'random server cut off',
  begin: async ({ network, rng }) => {
    const host = rng.pick(network.hosts)
    if (host !== undefined) await network.isolate(host, 'both')
  },
  end: ({ network }) => network.heal(),
}

/** Two hosts do not hear each other, the third hears both. */
export const BRIDGE: Act = {
  name: 'one server is the bridge between the others',
  begin: async ({ network, rng }) => {
    const [a, b] = rng.shuffle(network.hosts)
    if (a !== undefined && b !== undefined) await network.partition([a], [b])
  },
  end: ({ network }) => network.heal(),
}

export function lossy(percent: number): Act {
  return {
    name: `${percent} % of packets lost`,
    begin: ({ network }) => network.lose(percent),
    end: ({ network }) => network.heal(),
  }
}

export const DUPLICATED: Act = {
  name: 'datagrams doubled',
  begin: async ({ network }) => {
    for (const host of network.hosts) await network.duplicate(host)
  },
  end: ({ network }) => network.heal(),
}

export const SLOW_LINK: Act = {
  name: 'leader behind a link of 2 Mbit/s',
  begin: async (field) => {
    await field.network.limitRate((await leaderOrAny(field)).host, '2mbit')
  },
  end: ({ network }) => network.heal(),
}

export const BREAK_CONNECTIONS: Act = {
  name: 'all connections reset',
  begin: async ({ network }) => {
    for (const host of network.hosts) await network.breakConnections(host)
  },
  end: async () => {},
}

export const KILL_LEADER: Act = {
  name: 'leader killed',
  begin: async (field) => await (await leaderOrAny(field)).kill(),
  end: restartAll,
}

export const KILL_ALL: Act = {
  name: 'all servers killed',
  begin: async ({ servers }) => {
    await Promise.all(servers.all.map((server) => server.kill()))
  },
  end: restartAll,
}

export const KILL_RANDOM: Act = {
  name: 'random server killed',
  begin: async ({ servers, rng }) => await rng.pick(servers.all)?.kill(),
  end: restartAll,
}

export const PAUSE_LEADER: Act = {
  name: 'leader paused',
  begin: async (field) => (await leaderOrAny(field)).signal('SIGSTOP'),
  end: async ({ servers }) => {
    for (const server of servers.all) server.signal('SIGCONT')
  },
}

export const PAUSE_RANDOM: Act = {
  name: 'random server paused',
  begin: async ({ servers, rng }) => rng.pick(servers.all)?.signal('SIGSTOP'),
  end: PAUSE_LEADER.end,
}

/** Long enough that the others elect, short enough that nobody gives the server up. */
const PAUSE_MS = 1_500

export const PAUSE_EACH: Act = {
  name: 'each server paused in turn',
  begin: async ({ servers, rng }) => {
    for (const server of rng.shuffle(servers.all)) {
      server.signal('SIGSTOP')
      await pause(PAUSE_MS)
      server.signal('SIGCONT')
    }
  },
  end: PAUSE_LEADER.end,
}

const CRASHES = 4
const BETWEEN_CRASHES_MAX_MS = 1_200

/** Killed again before it is up, or just when it is. */
export const CRASH_LOOP: Act = {
  name: 'one server in a crash loop',
  begin: async ({ servers, rng }) => {
    const victim = rng.pick(servers.all)
    for (let crash = 0; crash < CRASHES; crash++) {
      await victim?.kill()
      await victim?.start()
      await pause(rng.range(100, BETWEEN_CRASHES_MAX_MS))
    }
  },
  end: restartAll,
}

/** One after the other, the next when the last serves again. */
function rollingRestart(how: 'stop' | 'kill'): Act {
  return {
    name: `rolling restart (${how})`,
    begin: async ({ servers, rng }) => {
      for (const server of rng.shuffle(servers.all)) {
        await server[how]()
        await server.start()
        await servers.allServe()
      }
    },
    end: restartAll,
  }
}

export const ROLLING_RESTART = rollingRestart('stop')
export const ROLLING_CRASH = rollingRestart('kill')
