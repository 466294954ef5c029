/**
 * Disks that fail under one of three servers while clients work: the server ends with exit code 70 and says
 * why, the others go on, and with a whole disk it comes back and every acknowledged write is there.
 *
 * Full disk: a file system in memory. Failing fsync: an ext4 that believes in more room than there is behind
 * it (verification 21). Slow fsync: strace holds every fdatasync of one server for a while.
 */

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { eventually } from '../../e2e/harness/program.ts'
import { fight } from '../harness/campaign.ts'
import { commandEnvironment, has, whyNoHosts } from '../harness/host-commands.ts'
import type { Act } from '../harness/nemesis.ts'
import { SetWorkload } from '../harness/set-workload.ts'
import type { TestHost } from '../harness/test-network.ts'
import { ballast, Disks, whyNoDisks } from './disks.ts'

/** Same as in cli/agent/run-agent.ts and docs/how-to/recover-a-server.md. */
const STORAGE_EXIT_CODE = 70
const FAILS_WITHIN_MS = 60_000
const LEFT_BYTES = 1_048_576
/** A heartbeat of the smallest timing is 50 ms: this is slow, but no reason to elect. */
const FSYNC_DELAY_US = 200_000

/** What a disk of one host is, and how it fails and becomes whole. */
interface Fault {
  readonly name: string
  prepare(disks: Disks): Promise<string>
  /** @returns how to undo it when the server is down; answers where the data are then */
  strike(disks: Disks, at: string): Promise<() => Promise<string>>
  readonly message: RegExp
}

const FULL: Fault = {
  name: 'disk full',
  prepare: async (disks) => await disks.tmpfs('64m'),
  strike: async (_disks, at) => {
    const filler = await ballast(at, LEFT_BYTES)
    return async () => {
      await rm(filler)
      return at
    }
  },
  message: /No space left|ENOSPC/,
}

/** The tmpfs behind the image of a mount. */
const behind = new Map<string, string>()

const FSYNC_FAILS: Fault = {
  name: 'fsync fails',
  prepare: async (disks) => {
    const memory = await disks.tmpfs('96m')
    const image = join(memory, 'image')
    await disks.image(image, '512M')
    const at = await disks.mount(image)
    behind.set(at, memory)
    return at
  },
  strike: async (disks, at) => {
    const memory = behind.get(at) as string
    const filler = await ballast(memory, LEFT_BYTES)
    return async () => {
      await rm(filler)
      await disks.unmount(at)
      await disks.check(join(memory, 'image'))
      const again = await disks.mount(join(memory, 'image'))
      behind.set(again, memory)
      return again
    }
  },
  message: /EIO|Input\/output error|I\/O error|[Rr]ead-only/,
}

/** Each host has a disk of its own; the leader's fails. */
async function failOneDisk(fault: Fault, tell: (text: string) => void): Promise<void> {
  await using disks = await Disks.create()
  const places = [
    await fault.prepare(disks),
    await fault.prepare(disks),
    await fault.prepare(disks),
  ]
  const placeOf = new Map<string, string>()
  const dataDir = (host: TestHost): string => {
    const place = placeOf.get(host.name) ?? places.pop()
    assert(place !== undefined)
    placeOf.set(host.name, place)
    return join(place, 'data')
  }
  let undo: (() => Promise<void>) | undefined
  const act: Act = {
    name: fault.name,
    begin: async ({ servers }) => {
      const victim = await servers.leader()
      const heal = await fault.strike(disks, placeOf.get(victim.host.name) as string)
      let isOver = false
      const ended = victim.ended().then((code) => {
        isOver = true
        return code
      })
      await eventually('the server ends by itself', () => isOver, FAILS_WITHIN_MS)
      assert.equal(await ended, STORAGE_EXIT_CODE)
      assert.match(await victim.logText(), fault.message)
      undo = async () => {
        placeOf.set(victim.host.name, await heal())
        await victim.start()
      }
      const next = await servers.leader()
      assert.notEqual(next, victim)
    },
    end: async ({ servers }) => {
      await undo?.()
      await servers.allServe()
    },
  }
  // Elements stay, registers are overwritten: with both, old and new acknowledged writes are looked for.
  await fight({
    acts: [act],
    rounds: 1,
    tell,
    servers: { dataDir },
    workloads: (urls, rng) => [new SetWorkload(urls, rng)],
  })
}

/** Holds every fdatasync of one server, each time another. */
function slowFsync(): Act {
  let tracer: ChildProcess | undefined
  return {
    name: 'fsync takes long',
    begin: async ({ servers, rng }) => {
      const victim = rng.pick(servers.all)
      const inject = `inject=fdatasync:delay_enter=${FSYNC_DELAY_US}`
      const args = ['-f', '-qq', '-o', '/dev/null', '-e', 'trace=fdatasync', '-e', inject]
      tracer = spawn('strace', [...args, '-p', String(victim?.pid)], {
        env: commandEnvironment(),
        stdio: 'ignore',
      })
      await once(tracer, 'spawn')
    },
    end: async () => {
      if (tracer === undefined) return
      assert.equal(tracer.exitCode, null, 'strace has left: the fault had no effect')
      const left = once(tracer, 'exit')
      tracer.kill('SIGINT')
      await left
    },
  }
}

const reason = whyNoHosts() ?? whyNoDisks()

describe('three real servers', { skip: reason ?? false, timeout: 600_000 }, () => {
  for (const fault of [FULL, FSYNC_FAILS]) {
    it(`lose nothing when one meets: ${fault.name}`, async (t) => {
      await failOneDisk(fault, (text) => t.diagnostic(text))
    })
  }

  it('stay linearizable while the disk of one is slow', {
    skip: has('strace') ? false : 'strace is not installed',
  }, async (t) => {
    await fight({
      acts: [slowFsync(), slowFsync()],
      rounds: 1,
      tell: (text) => t.diagnostic(text),
    })
  })
})
