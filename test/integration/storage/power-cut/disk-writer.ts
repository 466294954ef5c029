/**
 * The process that is traced: lives a disk's life and prints each step once it is durable. Arguments: data directory,
 * seed, steps.
 */

import { writeSync } from 'node:fs'
import { live } from './disk-life.ts'

const [directory, seed, steps] = process.argv.slice(2)
if (directory === undefined) throw new Error('usage: directory seed steps')
await live(directory, { seed: Number(seed), steps: Number(steps) }, (step) => {
  writeSync(1, `ack ${step}\n`)
})
