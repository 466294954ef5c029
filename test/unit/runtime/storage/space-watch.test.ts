/**
 * The forecast of a full disk: when space is low, when it is ample again, and the reserve file.
 */

import assert from 'node:assert/strict'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import { systemClock } from '../../../../runtime/clock/system-clock.ts'
import {
  type Space,
  SpaceWatch,
  type SpaceWatchOptions,
} from '../../../../runtime/storage/space-watch.ts'

const MIB = 1_048_576

let root = ''
let counter = 0
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'fairlead-space-'))
})
after(async () => {
  await rm(root, { recursive: true, force: true })
})

function watchOf(
  space: { value: Space | Error },
  snapshotBytes: number,
  options: Partial<SpaceWatchOptions> = {},
): { watch: SpaceWatch; reserve: string } {
  const reserve = join(root, `reserve-${++counter}`)
  const watch = new SpaceWatch({ directory: root, ...options }, reserve, {
    clock: new ManualClock(),
    snapshotBytes: async () => snapshotBytes,
    measure: async () => {
      if (space.value instanceof Error) throw space.value
      return space.value
    },
  })
  return { watch, reserve }
}

describe('a space watch', () => {
  it('wants two snapshots and 512 MiB free, and a tenth more before it is content again', async () => {
    const disk = { value: { freeBytes: 713 * MIB, totalBytes: 100_000 * MIB } }
    const { watch } = watchOf(disk, 100 * MIB, { reserveBytes: 0 })
    assert.deepEqual(await watch.look(), {
      isLow: false,
      freeBytes: 713 * MIB,
      wantedBytes: 712 * MIB,
    })
    const steps: readonly [freeMib: number, isLow: boolean][] = [
      [711, true],
      [730, true],
      [784, false],
      [712, false],
      [0, true],
    ]
    for (const [free, isLow] of steps) {
      disk.value = { freeBytes: free * MIB, totalBytes: 100_000 * MIB }
      assert.equal((await watch.look())?.isLow, isLow, `${free} MiB`)
    }
  })

  it('is content with a sixteenth of a small disk', async () => {
    const disk = { value: { freeBytes: 5 * MIB, totalBytes: 64 * MIB } }
    const { watch, reserve } = watchOf(disk, 0)
    assert.equal((await watch.look())?.isLow, false)
    await assert.rejects(stat(reserve), 'a small disk spares nothing for a reserve')
    disk.value = { freeBytes: 3 * MIB, totalBytes: 64 * MIB }
    assert.equal((await watch.look())?.isLow, true)
  })

  it('keeps a reserve while there is room, and gives it back', async () => {
    const disk = { value: { freeBytes: 10_000 * MIB, totalBytes: 100_000 * MIB } }
    const { watch, reserve } = watchOf(disk, 0, { reserveBytes: 3 * MIB })
    await watch.look()
    const { size, blocks } = await stat(reserve)
    assert.equal(size, 3 * MIB)
    assert.ok(blocks * 512 >= 3 * MIB, 'it really takes the space')
    await watch.freeReserve()
    await assert.rejects(stat(reserve))
    disk.value = { freeBytes: 100 * MIB, totalBytes: 100_000 * MIB }
    await watch.look()
    await assert.rejects(stat(reserve), 'none is made when space is low')
  })

  it('keeps its last answer when the disk cannot be asked', async () => {
    const disk: { value: Space | Error } = { value: { freeBytes: 0, totalBytes: 100_000 * MIB } }
    const { watch } = watchOf(disk, 0)
    const changes: boolean[] = []
    const stop = watch.onChange((isLow) => changes.push(isLow))
    assert.equal((await watch.look())?.isLow, true)
    disk.value = new Error('gone')
    assert.equal(await watch.look(), null)
    stop()
    assert.deepEqual(changes, [true])
  })

  it('tells changes only, asks the real file system, and stops', async () => {
    const low = Promise.withResolvers<boolean>()
    const watch = new SpaceWatch(
      { directory: root, floorBytes: Number.MAX_SAFE_INTEGER / 2, intervalMs: 1 },
      join(root, 'reserve'),
      { clock: systemClock, snapshotBytes: async () => 0 },
    )
    const stop = watch.onChange(low.resolve)
    assert.equal(await low.promise, true)
    stop()
    stop()
  })
})
