/**
 * The windows that a listening server gives, as a plain HTTP/2 client sees them.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:http2'
import { test } from 'node:test'
import { silentLogger } from '../../../../core/log.ts'
import {
  CONNECTION_WINDOW_BYTES,
  STREAM_WINDOW_BYTES,
} from '../../../../runtime/rpc/flow-control.ts'
import { RpcHost } from '../../../../runtime/rpc/rpc-host.ts'
import { rpcHandlers } from './rpc-handlers.ts'

test('a server lets a megabyte come ahead on a stream, and more on a connection', async () => {
  const host = new RpcHost(
    { address: '127.0.0.1', port: 0 },
    { handlers: rpcHandlers(), log: silentLogger },
  )
  await host.start()
  const session = connect(`http://127.0.0.1:${host.port}`)
  try {
    const [settings] = await once(session, 'remoteSettings')
    assert.equal(settings.initialWindowSize, STREAM_WINDOW_BYTES)
    // The answer to a ping comes after whatever the server said of its window at first.
    await new Promise((resolve) => session.ping(resolve))
    assert.ok((session.state.remoteWindowSize ?? 0) >= CONNECTION_WINDOW_BYTES)
  } finally {
    session.destroy()
    await host.stop()
  }
})
