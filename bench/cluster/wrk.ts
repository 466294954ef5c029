/**
 * The load: wrk (Debian: wrk) with one thread and a small Lua script that makes each request another one.
 */

import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface Load {
  readonly requests: number
  readonly perSecond: number
}

/** @param script what `wrk.format` is given for the n-th request, in Lua; null for plain GETs of the URL */
export async function wrk(
  url: string,
  options: { readonly connections: number; readonly seconds: number; readonly script?: string },
): Promise<Load> {
  const args = ['-t1', `-c${options.connections}`, `-d${options.seconds}s`, '--timeout', '30s']
  if (options.script !== undefined) args.push('-s', options.script)
  const { stdout } = await run('wrk', [...args, url])
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1] ?? 0)
  const perSecond = Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1] ?? 0)
  const bad = /Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1]
  const errors = /Socket errors: (.*)/.exec(stdout)?.[1]
  if (requests === 0 || bad !== undefined || errors !== undefined) {
    throw new Error(`the load on ${url} failed:\n${stdout}`)
  }
  return { requests, perSecond }
}

export async function writeScript(path: string, expression: string): Promise<string> {
  await writeFile(
    path,
    `math.randomseed(os.time())\nlocal n = 0\nlocal value = "${VALUE}"\nlocal value64 = "${Buffer.from(VALUE).toString('base64')}"\n` +
      `request = function()\n  n = n + 1\n  local id = string.format("%06d", n % ${KEYS})\n  return ${expression}\nend\n`,
  )
  return path
}

/** Written in turns, so that the state does not grow without end. A multiple of 3 bytes in base64. */
const KEYS = 9_999
const VALUE = 'x'.repeat(126)

/** What the reads of etcd read, as a put. */
export const ETCD_ENTRY = {
  key: 'YmVuY2gv000001AA',
  value: Buffer.from(VALUE).toString('base64'),
}

/** base64 of six digits cannot be made in Lua without a library, so etcd's key is a base64 text as it is. */
export const SCRIPTS = {
  fairleadPut: 'wrk.format("PUT", "/v1/kv/bench/" .. id, nil, value)',
  etcdPut:
    'wrk.format("POST", "/v3/kv/put", nil, \'{"key":"YmVuY2gv\' .. id .. \'AA","value":"\' .. value64 .. \'"}\')',
  /** Each changes its instance: one that says nothing new costs half. */
  fairleadRegister:
    'wrk.format("PUT", "/v1/catalog/register", nil, \'{"Node":"node-\' .. id .. \'","Address":"10.0.0.1","Service":{"ID":"web-1","Service":"web","Port":\' .. math.random(65535) .. \',"Tags":["v1"]},"Check":{"CheckID":"service:web-1","Name":"web","Status":"passing","ServiceID":"web-1"}}\')',
  etcdGet: 'wrk.format("POST", "/v3/kv/range", nil, \'{"key":"YmVuY2gv000001AA"}\')',
  etcdSerializableGet:
    'wrk.format("POST", "/v3/kv/range", nil, \'{"key":"YmVuY2gv000001AA","serializable":true}\')',
} as const
