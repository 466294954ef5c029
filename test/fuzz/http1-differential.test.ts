/**
 * Our reader of HTTP/1 beside Node's llhttp on the same bytes: every difference must have a written explanation, and
 * what we send on must be read by llhttp as the one message that it is.
 */

import assert from 'node:assert/strict'
import { METHODS } from 'node:http'
import { describe, it } from 'node:test'
import { seededRng } from '../../core/rng.ts'
import { type Difference, differenceOf, inputOf, SAMPLES } from './http1/differences.ts'
import { type Message, type OurReading, readByNode, readByUs } from './http1/readers.ts'
import { ATTACKS } from './http1/smuggling-corpus.ts'

/** Damages of their own in every run; the seed is printed and replays. */
const SEED = Number(process.env['FAIRLEAD_SEED'] ?? process.hrtime.bigint() % 1_000_000_000n)
const INPUTS = Number(process.env['FAIRLEAD_FUZZ_INPUTS'] ?? 1500)

/** @returns messages that llhttp does not read as they were meant */
async function misread({ messages, forwarded }: OurReading): Promise<Message[]> {
  const wrong: Message[] = []
  for (const [i, message] of messages.entries()) {
    const reading = await readByNode(forwarded[i] as Buffer)
    const [{ version: _, fields: __, ...read } = { version: '', fields: [] }] = reading.messages
    const isOne = reading.messages.length === 1 && !reading.isRefused
    if (METHODS.includes(message.method) && !(isOne && same(read, message))) wrong.push(message)
  }
  return wrong
}

function same(a: object, b: object): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

describe('our reader of HTTP/1 beside llhttp', () => {
  it('reads valid requests as it does', async () => {
    for (const sample of SAMPLES) {
      const input = Buffer.from(sample + sample, 'latin1')
      const [ours, theirs] = [await readByUs(input), await readByNode(input)]
      assert.equal(differenceOf(input, ours, theirs), undefined)
      assert.equal(ours.messages.length, 2, sample)
    }
  })

  it('differs on damaged requests only where that is explained', async (t) => {
    const differences: Difference[] = []
    const wrong: Message[] = []
    let read = 0
    const rng = seededRng(SEED)
    for (let i = 0; i < INPUTS && differences.length < 5; i++) {
      const input = inputOf(rng.fork(`${i}`))
      const [ours, theirs] = await Promise.all([readByUs(input), readByNode(input)])
      read += ours.messages.length
      const difference = differenceOf(input, ours, theirs)
      if (difference !== undefined) differences.push(difference)
      wrong.push(...(await misread(ours)))
    }
    t.diagnostic(`seed ${SEED}: ${read} messages read from ${INPUTS} inputs`)
    assert.deepEqual(differences, [])
    assert.deepEqual(wrong, [])
    assert.ok(read > INPUTS / 4, 'many inputs have a whole message in them')
  })

  it('differs on attacks only where that is explained, and takes none of them', async () => {
    for (const { name, text } of ATTACKS) {
      const input = Buffer.from(text, 'latin1')
      const [ours, theirs] = [await readByUs(input), await readByNode(input)]
      assert.equal(differenceOf(input, ours, theirs), undefined, name)
      assert.equal(ours.isRefused, true, name)
    }
  })

  it('would be found out if it read a body otherwise', async () => {
    const input = Buffer.from(SAMPLES[1] ?? '', 'latin1')
    const ours = await readByUs(input)
    const messages = ours.messages.map((message) => ({ ...message, body: 'other' }))
    const difference = differenceOf(input, { ...ours, messages }, await readByNode(input))
    assert.equal(difference?.kind, 'different')
    assert.equal((await misread({ ...ours, messages })).length, 1)
  })
})
