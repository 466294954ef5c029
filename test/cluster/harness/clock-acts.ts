/**
 * Wall clocks that jump and flicker while the monotonic clock goes on (verification 22.3 N16), by libfaketime
 * with one file of the offset for each host, read at every look at the clock.
 *
 * Each act asks the server for its time and fails when the fault did not arrive.
 */

import { existsSync } from 'node:fs'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../../e2e/harness/program.ts'
import { pause } from './api-client.ts'
import type { HostProcess } from './host-process.ts'
import type { Act } from './nemesis.ts'
import type { TestHost } from './test-network.ts'

const LIBRARY = [
  '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1',
  '/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1',
].find(existsSync)

const HOUR_S = 3_600
const OFFSETS_S: readonly number[] = [-24 * HOUR_S, -HOUR_S, HOUR_S, 24 * HOUR_S]
const STROBES = 30
const STROBE_MS = 100

export function whyNoFakeClock(): string | undefined {
  return LIBRARY === undefined ? 'libfaketime is not installed (Debian: faketime)' : undefined
}

export class FakeClocks implements AsyncDisposable {
  readonly #folder: string
  #writes = 0

  constructor(folder: string) {
    this.#folder = folder
  }

  env(host: TestHost): Readonly<Record<string, string>> {
    return {
      LD_PRELOAD: LIBRARY ?? '',
      FAKETIME_TIMESTAMP_FILE: join(this.#folder, host.name),
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    }
  }

  /** In one step: a half written file would be a clock of its own. */
  async set(host: TestHost, seconds: number): Promise<void> {
    const path = join(this.#folder, host.name)
    const next = `${path}.${++this.#writes}`
    await writeFile(next, `${seconds < 0 ? '' : '+'}${seconds}s\n`)
    await rename(next, path)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true })
  }
}

export async function clockEnvironment(): Promise<FakeClocks> {
  return new FakeClocks(await mkdtemp(join(tmpdir(), 'fairlead-clocks-')))
}

/** How far the clock of a server is off, by its answer. */
async function offsetOf(server: HostProcess): Promise<number | undefined> {
  const response = await fetch(`${server.url}/v1/status/leader`).catch(() => undefined)
  await response?.body?.cancel()
  const date = response?.headers.get('date')
  return date === null || date === undefined ? undefined : (Date.parse(date) - Date.now()) / 1_000
}

/** Each server in turn, the leader among them, while the others keep the time. */
export function CLOCK_JUMPS(clocks: FakeClocks): Act {
  return {
    name: 'wall clock of each server jumps',
    begin: async ({ servers, rng }) => {
      for (const server of rng.shuffle(servers.all)) {
        const wanted = rng.pick(OFFSETS_S) ?? HOUR_S
        await clocks.set(server.host, wanted)
        await eventually(`${server.host.name} is off by ${wanted} s`, async () => {
          const offset = await offsetOf(server)
          return offset !== undefined && Math.abs(offset - wanted) < HOUR_S / 2
        })
      }
    },
    end: async ({ servers }) => {
      for (const server of servers.all) await clocks.set(server.host, 0)
    },
  }
}

export function CLOCK_STROBE(clocks: FakeClocks): Act {
  return {
    name: 'wall clock of one server flickers',
    begin: async ({ servers, rng }) => {
      const host = rng.pick(servers.all)?.host
      for (let i = 0; i < STROBES && host !== undefined; i++) {
        await clocks.set(host, rng.pick(OFFSETS_S) ?? HOUR_S)
        await pause(STROBE_MS)
      }
    },
    end: async ({ servers }) => {
      for (const server of servers.all) await clocks.set(server.host, 0)
    },
  }
}
