/**
 * Reading /proc: a made-up tree, and the real one.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { holdersOf, readProcesses } from '../../../../runtime/proc/process-table.ts'
import { SocketTable } from '../../../../runtime/proc/socket-table.ts'

const TCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 111 1 0000 100 0 0 10 0
   1: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 112 1 0000 100 0 0 10 0
   2: 0100007F:C001 0501807F:0050 01 00000000:00000000 00:00000000 00000000  1000        0 113 1 0000 20 4 30 10 -1
   3: 0501807F:0050 0100007F:C001 01 00000000:00000000 00:00000000 00000000     0        0 114 1 0000 20 4 30 10 -1
   4: 0100007F:C002 0501807F:0050 06 00000000:00000000 03:00000000 00000000     0        0 0 3 0000
`
const TCP6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000   112        0 211 1 0000 100 0 0 10 0
   1: 0000000000000000FFFF00000100007F:C003 0000000000000000FFFF00000501807F:0050 01 00000000:00000000 00:00000000 00000000   112        0 212 1 0000 20 4 30 10 -1
`

describe('a made-up /proc', () => {
  let root = ''
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'fairlead-proc-'))
    await mkdir(join(root, 'net'))
    await writeFile(join(root, 'net', 'tcp'), TCP)
    await writeFile(join(root, 'net', 'tcp6'), TCP6)
    const process = async (
      pid: number,
      stat: string,
      cgroup: string,
      sockets: number[],
    ): Promise<void> => {
      await mkdir(join(root, String(pid), 'fd'), { recursive: true })
      await writeFile(join(root, String(pid), 'stat'), stat)
      await writeFile(join(root, String(pid), 'cgroup'), cgroup)
      await symlink('/dev/null', join(root, String(pid), 'fd', '0'))
      for (const inode of sockets) {
        await symlink(`socket:[${inode}]`, join(root, String(pid), 'fd', `${inode}`))
      }
    }
    const rest = '0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0'
    await process(
      10,
      `10 (a) b (c)) S 1 10 ${rest} 777 x`,
      '0::/system.slice/a.service\n',
      [111, 113],
    )
    await process(11, `11 (kid) S 10 10 ${rest} 778 x`, '9:name=systemd:/b\n0::/\n', [111])
    await process(12, `12 (other) S 1 12 ${rest} 779 x`, '', [212])
    await mkdir(join(root, '13'))
    await mkdir(join(root, 'self'))
  })
  after(async () => await rm(root, { recursive: true }))

  it('gives the inode of the caller of a connection, also from an IPv6 socket', async () => {
    const table = await SocketTable.read(root)
    const ours = { address: '127.128.1.5', port: 80 }
    assert.equal(table.inodeOf({ address: '127.0.0.1', port: 0xc001 }, ours), 113)
    assert.equal(table.inodeOf(ours, { address: '127.0.0.1', port: 0xc001 }), 114)
    assert.equal(table.inodeOf({ address: '127.0.0.1', port: 0xc003 }, ours), 212)
    assert.equal(table.inodeOf({ address: '::ffff:127.0.0.1', port: 0xc001 }, ours), 113)
    assert.equal(table.inodeOf({ address: '127.0.0.1', port: 0xc002 }, ours), undefined, 'gone')
    assert.equal(table.inodeOf({ address: '127.0.0.1', port: 1 }, ours), undefined)
    assert.equal(table.inodeOf({ address: 'fe80::1', port: 1 }, ours), undefined)
  })

  it('gives those who listen on a port', async () => {
    const table = await SocketTable.read(root)
    assert.deepEqual(table.listeners(8080), [111, 211])
    assert.deepEqual(table.listeners(80), [112])
    assert.deepEqual(table.listeners(0xc001), [])
  })

  it('gives processes with parents and groups, whatever their names look like', async () => {
    const processes = await readProcesses(root)
    assert.deepEqual([...processes.keys()].sort(), [10, 11, 12])
    assert.deepEqual(processes.get(10), {
      pid: 10,
      parent: 1,
      group: 10,
      startTicks: 777,
      cgroup: '/system.slice/a.service',
    })
    assert.equal(processes.get(11)?.cgroup, '/b')
    assert.equal(processes.get(12)?.cgroup, '')
  })

  it('gives all holders of a socket', async () => {
    const holders = await holdersOf(root, [10, 11, 12, 13, 14], new Set([111, 212]))
    assert.deepEqual([...(holders.get(111) ?? [])].sort(), [10, 11])
    assert.deepEqual(holders.get(212), [12])
  })

  it('that is missing gives nothing', async () => {
    const nowhere = join(root, 'nowhere')
    assert.equal((await readProcesses(nowhere)).size, 0)
    assert.deepEqual((await SocketTable.read(nowhere)).listeners(80), [])
  })
})

it('finds this very process behind its own connection', {
  skip: !existsSync('/proc/net/tcp'),
}, async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = connect({ port, host: '127.0.0.1' })
  await once(client, 'connect')
  const table = await SocketTable.read('/proc')
  const local = { address: '127.0.0.1', port: client.localPort ?? 0 }
  const inode = table.inodeOf(local, { address: '127.0.0.1', port })
  assert.ok(inode !== undefined)
  const holders = await holdersOf('/proc', [process.pid], new Set([inode]))
  assert.deepEqual(holders.get(inode), [process.pid])
  assert.equal(table.listeners(port).length, 1)
  client.destroy()
  server.close()
})
