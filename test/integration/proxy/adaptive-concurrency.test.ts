/**
 * An application that gets as many requests at once as it bears: real sockets, and a queue that grows when it is given more.
 */

import assert from 'node:assert/strict'
import { createServer, type ServerResponse } from 'node:http'
import { test } from 'node:test'
import { eventually, listening, Mesh, RawClient, serverPort } from './mesh-fixture.ts'

const SERVICE_MS = 10

test('beyond what the application bears callers are refused at once, and the others wait less', async () => {
  const line: ServerResponse[] = []
  let longest = 0
  let isBusy = false
  const work = (): void => {
    const response = line.shift()
    isBusy = response !== undefined
    if (response === undefined) return
    setTimeout(() => {
      response.end('done\n')
      work()
    }, SERVICE_MS)
  }
  const app = await listening(
    createServer((_incoming, response) => {
      line.push(response)
      longest = Math.max(longest, line.length)
      if (!isBusy) work()
    }),
  )
  const mesh = await Mesh.start(serverPort(app), {
    inbound: { adaptiveConcurrency: { min: 2, max: 100 } },
  })
  let isOver = false
  const statuses = new Map<string, number>()
  let overloaded = 0
  const caller = async (): Promise<void> => {
    const client = new RawClient(mesh.port)
    try {
      while (!isOver) {
        client.text = ''
        client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
        await client.until(({ text }) => /done\n$|overflow$/.test(text))
        const status = client.text.slice(9, 12)
        statuses.set(status, (statuses.get(status) ?? 0) + 1)
        if (client.text.includes('x-envoy-overloaded: true')) overloaded++
      }
    } finally {
      client.close()
    }
  }
  const limit = (): number => {
    const line = /gradient_controller_concurrency_limit\{[^}]*\} (\d+)/
    return Number(line.exec(mesh.callee.prometheus())?.[1])
  }
  try {
    // A single one shows how long an answer takes.
    const alone = caller()
    await eventually(() => (statuses.get('200') ?? 0) >= 45, 'it is known how long an answer takes')
    assert.equal(statuses.size, 1)
    const all = [alone, ...Array.from({ length: 40 }, caller)]
    await eventually(() => limit() < 12, 'the limit has become smaller')
    longest = 0
    const served = statuses.get('200') ?? 0
    await eventually(() => (statuses.get('200') ?? 0) > served + 100, 'others are served')
    isOver = true
    await Promise.all(all)
    assert.ok(longest < 20, `${longest} waited`)
    assert.deepEqual([...statuses.keys()].sort(), ['200', '503'])
    assert.equal(overloaded, statuses.get('503'))
    assert.match(mesh.callee.prometheus(), /gradient_controller_rq_blocked\{[^}]*\} [1-9]/)
  } finally {
    isOver = true
    mesh.close()
    app.close()
    app.closeAllConnections()
  }
})
