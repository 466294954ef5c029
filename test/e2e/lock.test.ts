/**
 * `fairlead lock` against a running agent: one holder at a time (or n), loss, waiting, and what is left behind.
 */

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { startAgent, type TestAgent, temporaryFolder } from './harness/agent.ts'
import {
  eventually,
  type Finished,
  finished,
  kill,
  PROGRAM,
  processesMentioning,
} from './harness/program.ts'

let agent: TestAgent
let folder: string

before(async () => {
  agent = await startAgent({ flags: ['-node=vm-a'] })
  folder = await temporaryFolder()
})
after(async () => {
  await agent[Symbol.asyncDispose]()
  for (const pid of processesMentioning(folder)) kill(pid)
  await rm(folder, { recursive: true })
})

const holders: ChildProcess[] = []

afterEach(() => {
  // Of a test that failed; what ended already takes no signal.
  for (const child of holders.splice(0)) child.kill('SIGTERM')
})

interface Holder {
  readonly child: ChildProcess
  readonly ended: Promise<Finished>
  /** Lets the program under the lock end. */
  finish(): void
  running(): Promise<unknown>
  isRunning(): boolean
}

/** A lock around a program that runs until it is told to end. */
function hold(name: string, ...argv: readonly string[]): Holder {
  const started = join(folder, `${name}.started`)
  const stop = join(folder, `${name}.stop`)
  const script = `echo $CONSUL_LOCK_HELD > ${started}; while [ ! -e ${stop} ]; do sleep 0.05; done; rm ${started}`
  const child = spawn(PROGRAM, ['lock', ...argv, script], {
    env: { ...process.env, CONSUL_HTTP_ADDR: agent.url },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  holders.push(child)
  const isRunning = (): boolean => existsSync(started) && readFileSync(started, 'utf8') === 'true\n'
  return {
    child,
    ended: finished(child),
    finish: () => writeFileSync(stop, ''),
    isRunning,
    running: () => eventually(`the program of ${name} runs`, isRunning, 30_000),
  }
}

async function keys(prefix: string): Promise<readonly string[]> {
  const answer = await agent.get(`/v1/kv/${prefix}?keys`)
  return answer.status === 404 ? [] : ((await answer.json()) as string[])
}

async function sessions(): Promise<readonly { readonly ID: string; readonly Name: string }[]> {
  return await agent.json('/v1/session/list')
}

describe('lock', () => {
  it('runs the program while it holds the lock, and leaves nothing behind', async () => {
    const done = await agent.command('lock', '-verbose', 'plain', 'echo held=$CONSUL_LOCK_HELD')
    assert.deepEqual(
      [done.code, done.stdout],
      [0, 'Attempting lock acquisition\nStarting the program\nheld=true\nCleanup succeeded\n'],
      done.stderr,
    )
    assert.deepEqual(await keys('plain/'), [])
    assert.deepEqual(await sessions(), [])
  })

  it('tells of a failed program when asked to', async () => {
    assert.equal((await agent.command('lock', 'failing', 'exit 7')).code, 0)
    assert.equal((await agent.command('lock', '-child-exit-code', 'failing', 'exit 7')).code, 2)
    const direct = await agent.command(
      'lock',
      '-shell=false',
      'direct',
      'printf',
      '%s|',
      'a b',
      'c',
    )
    assert.deepEqual([direct.code, direct.stdout], [0, 'a b|c|'])
    assert.equal((await agent.command('lock', '-shell=false', 'direct', '/no/such')).code, 1)
    assert.deepEqual(await sessions(), [])
  })

  it('keeps others out, who may wait, wait a while, or not at all', async () => {
    const first = hold('first', '-name=me', 'mutex')
    await first.running()
    assert.deepEqual(await keys('mutex/'), ['mutex/.lock'])
    const [entry] = await agent.json<{ Flags: number; Session: string }[]>('/v1/kv/mutex/.lock')
    assert.equal(entry?.Flags, Number(0x2ddccbc058a50c18n))
    assert.deepEqual(
      (await sessions()).map(({ Name }) => Name),
      ['me'],
    )
    const busy = await agent.command('lock', '-try', 'mutex', 'echo never')
    assert.deepEqual(
      [busy.code, busy.stdout, busy.stderr],
      [1, '', 'Lock acquisition failed: others hold the lock\n'],
    )
    assert.equal((await agent.command('lock', '-timeout=100ms', 'mutex', 'echo never')).code, 1)
    assert.equal((await agent.command('lock', '-try=100ms', 'mutex', 'echo never')).code, 1)
    const second = hold('second', 'mutex')
    await eventually('the second waits', async () => (await sessions()).length === 2)
    assert.ok(!second.isRunning())
    first.finish()
    assert.equal((await first.ended).code, 0)
    await second.running()
    second.finish()
    assert.equal((await second.ended).code, 0)
    assert.deepEqual(await keys('mutex/'), [])
  })

  it('lets as many in as -n says', async () => {
    const both = ['s1', 's2'].map((name) => hold(name, '-n=2', 'sem'))
    await Promise.all(both.map((holder) => holder.running()))
    assert.equal((await agent.command('lock', '-n=2', '-try', 'sem', 'echo never')).code, 1)
    const other = await agent.command('lock', '-n=3', 'sem', 'echo never')
    assert.equal(other.code, 1)
    assert.match(other.stderr, /semaphore limit conflict \(lock: 2, local: 3\)/)
    const third = hold('s3', '-n=2', 'sem')
    await eventually('the third contends', async () => (await keys('sem/')).length === 4)
    both[0]?.finish()
    await third.running()
    assert.ok(both[1]?.isRunning())
    both[1]?.finish()
    third.finish()
    for (const holder of [...both, third]) {
      const end = await holder.ended
      assert.equal(end.code, 0, end.stderr)
    }
    assert.deepEqual(await keys('sem/'), [])
    assert.deepEqual(await sessions(), [])
  })

  it('ends the program when the lock is lost', async () => {
    for (const flags of [['lost'], ['-n=2', 'lost-semaphore']]) {
      const holder = hold(flags.join('').replaceAll('=', ''), ...flags)
      await holder.running()
      const [session] = await sessions()
      await agent.put(`/v1/session/destroy/${session?.ID}`)
      const end = await holder.ended
      assert.equal(end.code, 1)
      assert.match(end.stderr, /^Lock lost, ending the program: /)
    }
  })

  it('ends the program and gives the lock back when it is told to stop', async () => {
    const holder = hold('stopped', 'stop')
    await holder.running()
    holder.child.kill('SIGTERM')
    const end = await holder.ended
    assert.equal(end.code, 0, end.stderr)
    assert.deepEqual(await keys('stop/'), [])
    assert.deepEqual(await sessions(), [])
  })

  it('leaves alone what is no lock, and says what it needs', async () => {
    await agent.put('/v1/kv/data/.lock', 'precious')
    const refused = await agent.command('lock', 'data', 'echo never')
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, /the key "data\/\.lock" exists and is no lock of this kind/)
    assert.match((await agent.command('lock', 'x')).stderr, /^Key prefix and child command must be/)
    assert.match((await agent.command('lock', '-n=0', 'x', 'y')).stderr, /-n takes 1 to/)
    assert.match((await agent.command('lock', '-timeout=5', 'x', 'y')).stderr, /takes a duration/)
  })
})
