/**
 * How much others may send ahead to our listening side, on one stream and on one connection.
 *
 * HTTP/2's default of 64 KiB would hold an append of a megabyte up for sixteen round trips. grpc-js 1.14 has
 * an option for the dialling side only, so this reaches for two fields of its server that are not public;
 * where they are missing nothing happens but that servers far apart replicate more slowly. A test holds that
 * they are there.
 */

import type { ServerHttp2Session } from 'node:http2'
import type { Server } from '@grpc/grpc-js'

export const STREAM_WINDOW_BYTES = 1024 * 1024
export const CONNECTION_WINDOW_BYTES = 4 * 1024 * 1024

/** To be called before the server is bound. */
export function widenStreams(server: Server): void {
  const options: unknown = Reflect.get(server, 'commonServerOptions')
  if (!isObject(options)) return
  const settings = isObject(options['settings']) ? options['settings'] : {}
  options['settings'] = { ...settings, initialWindowSize: STREAM_WINDOW_BYTES }
}

/** To be called once the server is bound, before anybody can have connected. */
export function widenConnections(server: Server): void {
  const listening: unknown = Reflect.get(server, 'http2Servers')
  if (!(listening instanceof Map)) return
  for (const http2Server of listening.keys()) {
    http2Server.on('session', (session: ServerHttp2Session) => {
      session.setLocalWindowSize(CONNECTION_WINDOW_BYTES)
    })
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
