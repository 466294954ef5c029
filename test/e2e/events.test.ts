/**
 * Events and watches over three real agents: who is meant hears an event once, and handlers run when something changes.
 */

import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { createCluster, type TestNode } from './harness/cluster.ts'
import { eventually, runCommand } from './harness/program.ts'

interface EventAnswer {
  readonly ID: string
  readonly Name: string
}

async function eventsAt(node: TestNode): Promise<readonly EventAnswer[]> {
  return await node.json('/v1/event/list')
}

async function linesOf(path: string): Promise<readonly unknown[]> {
  const text = await readFile(path, 'utf8').catch(() => '')
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line))
}

/** Appends what it is given to a file. */
function watch(fields: string, path: string): string {
  return `{ ${fields}, args = ["/bin/sh", "-c", "cat >> ${path}"] }`
}

describe('three agents', () => {
  it('hear events and run the handlers of their watches', async () => {
    await using cluster = await createCluster(['n1'])
    const server = cluster.node('n1')
    const [events, keys] = [join(cluster.folder, 'events'), join(cluster.folder, 'keys')]
    const config = join(cluster.folder, 'watches.hcl')
    const both = `watches = [${watch('type = "event", name = "deploy"', events)}, ${watch('type = "key", key = "app"', keys)}]`
    await writeFile(config, both)
    const web = await cluster.addClient('n2', [`-config-file=${config}`])
    const other = await cluster.addClient('n3')
    await cluster.startAll()
    await cluster.leader()
    await eventually('all know each other', async () => {
      const nodes = [...cluster.nodes.values()]
      const lists = await Promise.all(
        nodes.map((node) => node.json<readonly { Status: number }[]>('/v1/agent/members')),
      )
      return lists.every((list) => list.filter(({ Status }) => Status === 1).length === 3)
    })
    await eventually('the handlers have run once', async () => {
      return (await linesOf(events)).length === 1 && (await linesOf(keys)).length === 1
    })
    assert.deepEqual([await linesOf(events), await linesOf(keys)], [[[]], [null]])

    const fired = await server.command('event', '-name=deploy', '-node=^n[12]$', 'v1')
    assert.equal(fired.code, 0, fired.stderr)
    const id = fired.stdout.trim().replace('Event ID: ', '')
    await eventually(
      'the handler of the event has run',
      async () => (await linesOf(events)).length === 2,
    )
    const [, news] = (await linesOf(events)) as readonly EventAnswer[][]
    assert.deepEqual(
      news?.map(({ ID }) => ID),
      [id],
    )
    assert.deepEqual(
      (await eventsAt(server)).map(({ ID }) => ID),
      [id],
    )
    // What it fires itself comes after, so the former would be here by now.
    await other.command('event', '-name=last')
    const seen = await eventually('the others hear it', async () => {
      const list = await eventsAt(web)
      return list.length === 2 ? list : undefined
    })
    assert.deepEqual(
      seen.map(({ Name }) => Name),
      ['deploy', 'last'],
    )
    assert.deepEqual(
      (await eventsAt(other)).map(({ Name }) => Name),
      ['last'],
    )

    await web.put('/v1/kv/app', 'one')
    await eventually(
      'the handler of the key has run',
      async () => (await linesOf(keys)).length === 2,
    )
    const [, entry] = (await linesOf(keys)) as readonly { Value: string }[]
    assert.equal(entry?.Value, 'b25l')

    await writeFile(config, both.replace('key = "app"', 'key = "app2"'))
    assert.equal((await web.command('reload')).code, 0)
    await eventually(
      'the changed watch runs its handler',
      async () => (await linesOf(keys)).length === 3,
    )
    assert.equal((await linesOf(keys))[2], null)
    assert.equal((await linesOf(events)).length, 2, 'the unchanged one does not')
  })

  it('print what is watched, and run a program for each change', async () => {
    await using cluster = await createCluster(['n1'])
    await cluster.startAll()
    await cluster.leader()
    const node = cluster.node('n1')
    await node.put('/v1/kv/a/b', '1')
    const once = await node.command('watch', '-type=keyprefix', '-prefix=a/')
    assert.equal(once.code, 0, once.stderr)
    assert.match(once.stdout, /^\[\n {4}\{\n {8}"LockIndex": 0,\n {8}"Key": "a\/b",/)
    const wrong = await node.command('watch', '-type=key')
    assert.deepEqual(
      [wrong.code, wrong.stderr.split('\n')[0]],
      [1, 'Must specify a single key to watch'],
    )
    const leaf = await node.command('watch', '-type=connect_leaf', '-service=web')
    assert.match(leaf.stderr, /^Type connect_leaf is not supported in the CLI tool\n/)
    assert.match((await node.command('watch')).stderr, /^Watch type must be specified\n/)
    const lost = await runCommand(['watch', '-type=nodes', '-http-addr=127.0.0.1:1'])
    assert.deepEqual([lost.code, /connection refused/.test(lost.stderr)], [1, true])

    // The second run of the program ends it, and the watch with it.
    const program = 'read line; echo "$line $CONSUL_INDEX"; case "$line" in *Mg==*) exit 3;; esac'
    const running = node.command('watch', '-type=key', '-key=a/b', program)
    await eventually('the program has the first value', async () => {
      await node.put('/v1/kv/a/b', '2')
      const result = await Promise.race([running, Promise.resolve(undefined)])
      return result !== undefined
    })
    const { code, stdout, stderr } = await running
    assert.equal(code, 1)
    assert.match(stdout, /"Value":"Mg==".* \d+\n$/)
    assert.match(stderr, /Error executing handler: exit status 3/)
  })
})
