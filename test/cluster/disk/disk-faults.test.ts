/**
 * Power cuts, a real failing fsync and a full disk under the real store (verification 21, 23.2a).
 *
 * A power cut is the image of an ext4 as the block layer has it at that moment, mounted again: what was
 * acknowledged before must be there. The control runs the same with fdatasync turned off and must lose
 * data, or the test could not see a loss. FAIRLEAD_POWER_CUTS=50 cuts more often.
 */

import assert from 'node:assert/strict'
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { describe, it } from 'node:test'
import { seededRng } from '../../../core/rng.ts'
import { systemClock } from '../../../runtime/clock/system-clock.ts'
import type { LogVerdict } from '../../../runtime/storage/log-store.ts'
import { diskRaftStorage } from '../../../runtime/storage/raft-storage.ts'
import { LogWorkload, OWNER, stepOf } from '../../integration/storage/log-workload.ts'
import { sh } from '../harness/host-commands.ts'
import { ballast, Disks, whyNoDisks } from './disks.ts'

const SEED = Number(process.env['FAIRLEAD_SEED'] ?? 20_264)
const CUTS = Number(process.env['FAIRLEAD_POWER_CUTS'] ?? 8)
const WRITER = join(import.meta.dirname, '../../integration/storage/log-writer.ts')
const NO_SYNC = ['/usr/lib/x86_64-linux-gnu/libeatmydata.so', '/usr/lib/libeatmydata.so'].find(
  existsSync,
)

class Writer {
  readonly child: ChildProcessByStdio<null, Readable, Readable>
  readonly ended: Promise<number | null>
  errors = ''
  #output = ''
  #waiting: { readonly acks: number; readonly resolve: () => void } | null = null

  constructor(directory: string, env: NodeJS.ProcessEnv = {}) {
    this.child = spawn(process.execPath, [WRITER, directory, String(SEED)], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    })
    this.child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text
      this.#tell()
    })
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.errors += text
    })
    this.ended = new Promise((resolve) => {
      this.child.once('close', (code) => {
        resolve(code)
        this.#waiting?.resolve()
      })
    })
  }

  /** Last acknowledged step that was heard of. */
  get acknowledged(): number {
    const whole = this.#output.slice(0, this.#output.lastIndexOf('\n'))
    const last = whole.split('\n').findLast((line) => line.startsWith('ack '))
    return last === undefined ? 0 : Number(last.slice(4))
  }

  /** Resolves when a step is acknowledged, or the process has ended. */
  reached(step: number): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting = { acks: step, resolve }
      this.#tell()
    })
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.ended
  }

  #tell(): void {
    if (this.#waiting !== null && this.acknowledged >= this.#waiting.acks) this.#waiting.resolve()
  }
}

async function verdictOn(directory: string): Promise<LogVerdict> {
  const { log } = await diskRaftStorage(directory)({ owner: OWNER, clock: systemClock })
  try {
    return await log.load()
  } finally {
    await log.close()
  }
}

/** @returns what is missing or wrong, or null */
async function lossOn(directory: string, acknowledged: number): Promise<string | null> {
  const verdict = await verdictOn(directory)
  if (verdict.kind !== 'consistent') return verdict.kind
  const step = stepOf(verdict.log)
  if (step < acknowledged) return `step ${step} of ${acknowledged}`
  const model = new LogWorkload(SEED)
  model.skipTo(step)
  return model.difference(verdict.log)
}

/** Writes, stops the world at some step, and starts on what the block layer has then. */
async function cutPower(
  disks: Disks,
  step: number,
  env: NodeJS.ProcessEnv,
): Promise<string | null> {
  const image = join(disks.root, 'image')
  const copy = join(disks.root, 'copy')
  await disks.image(image, '96M')
  const at = await disks.mount(image)
  const writer = new Writer(at, env)
  try {
    await writer.reached(step)
    // Stopped while the image is copied, so that the copy is of one moment.
    writer.child.kill('SIGSTOP')
    const { acknowledged } = writer
    assert.ok(acknowledged >= step, writer.errors)
    await sh('cp', '--sparse=always', image, copy)
    const copyAt = await disks.mount(copy)
    const loss = await lossOn(copyAt, acknowledged)
    await disks.unmount(copyAt)
    return loss
  } finally {
    await writer.kill()
    await disks.unmount(at)
    await rm(image, { force: true })
    await rm(copy, { force: true })
  }
}

describe('a store on a real disk', { skip: whyNoDisks() ?? false, timeout: 600_000 }, () => {
  it('has what it acknowledged after a power cut', async (t) => {
    await using disks = await Disks.create()
    const rng = seededRng(SEED)
    for (let cut = 0; cut < CUTS; cut++) {
      const step = rng.range(1, 400)
      assert.equal(await cutPower(disks, step, {}), null, `power cut ${cut} at step ${step}`)
    }
    t.diagnostic(`${CUTS} power cuts, seed ${SEED}`)
  })

  it('would be seen to lose data if it did not sync', {
    skip: NO_SYNC === undefined ? 'libeatmydata is not installed' : false,
  }, async () => {
    await using disks = await Disks.create()
    const loss = await cutPower(disks, 200, { LD_PRELOAD: NO_SYNC ?? '' })
    assert.notEqual(loss, null, 'data that was never synced survived')
  })

  it('stops when fdatasync fails, and has what it acknowledged when the disk is whole again', async (t) => {
    await using disks = await Disks.create()
    const memory = await disks.tmpfs('64m')
    const image = join(memory, 'image')
    await disks.image(image, '512M')
    const at = await disks.mount(image)
    // The file system believes in 512 MiB; what is behind it ends after two.
    const filler = await ballast(memory, 2 * 1_048_576)
    const writer = new Writer(at)
    assert.equal(await writer.ended, 70, writer.errors)
    assert.match(writer.errors, /EIO|Input\/output error|I\/O error|Read-only/i)
    await rm(filler)
    await disks.unmount(at)
    const again = await disks.mount(image)
    assert.equal(await lossOn(again, writer.acknowledged), null)
    await disks.unmount(again)
    t.diagnostic(`stopped after step ${writer.acknowledged}: ${writer.errors.trim()}`)
  })

  it('stops when the disk is full, and has what it acknowledged when there is room again', async (t) => {
    await using disks = await Disks.create()
    const at = await disks.tmpfs('4m')
    const writer = new Writer(at)
    assert.equal(await writer.ended, 70, writer.errors)
    assert.match(writer.errors, /No space left|ENOSPC/)
    await disks.resize(at, '64m')
    assert.equal(await lossOn(at, writer.acknowledged), null)
    t.diagnostic(`stopped after step ${writer.acknowledged}: ${writer.errors.trim()}`)
  })
})
