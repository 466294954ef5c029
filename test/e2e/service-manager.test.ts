/**
 * What systemd is told: READY once the agent serves, RELOADING and READY around a reload, STOPPING.
 *
 * Node has no datagram Unix sockets, so a few lines of Python receive in systemd's place.
 */

import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { it } from 'node:test'
import { startAgent, temporaryFolder } from './harness/agent.ts'
import { eventually } from './harness/program.ts'

const RECEIVER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("bound", flush=True)
while True:
    print(repr(s.recv(65536).decode()), flush=True)
`

const missing = ['python3', 'systemd-notify'].filter(
  (program) => spawnSync(program, ['--version']).error !== undefined,
)

it('systemd hears READY, RELOADING and STOPPING in order', {
  skip: missing.length === 0 ? false : `not installed: ${missing.join(', ')}`,
}, async () => {
  const folder = await temporaryFolder()
  const socket = join(folder, 'notify.sock')
  const receiver = spawn('python3', ['-c', RECEIVER, socket], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const heard = collect(receiver)
  try {
    await eventually('the receiver is bound', () => heard().includes('bound'))
    await using agent = await startAgent({ env: { NOTIFY_SOCKET: socket } })
    await eventually('READY', () => heard().includes('READY=1'))
    assert.ok(heard().includes(`MAINPID=${agent.pid}`), heard())
    agent.signal('SIGHUP')
    await eventually('RELOADING, then READY', () => /RELOADING=1[\s\S]*READY=1/.test(heard()))
    agent.signal('SIGTERM')
    assert.equal((await agent.ended).code, 0)
    await eventually('STOPPING', () => heard().includes('STOPPING=1'))
  } finally {
    receiver.kill()
    await rm(folder, { recursive: true })
  }
})

function collect(child: ChildProcess): () => string {
  let text = ''
  child.stdout?.setEncoding('utf8').on('data', (part: string) => {
    text += part
  })
  return () => text
}
