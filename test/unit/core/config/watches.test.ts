/**
 * Watches in configuration files: what they become, and what is said of those that are wrong.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeDocument } from '../../../../core/config/decode.ts'
import { RawReader } from '../../../../core/config/raw-reader.ts'
import { resolveWatches, type WatchDefinition } from '../../../../core/config/watches.ts'

function resolve(text: string): { watches: readonly WatchDefinition[]; messages: string[] } {
  const { raw, problems } = decodeDocument(text, 'hcl', 'a.hcl')
  assert.deepEqual(problems, [])
  const reader = new RawReader(raw)
  const watches = resolveWatches(reader)
  return { watches, messages: reader.problems.map(({ message }) => message) }
}

test('a script and a URL, with what they may say', () => {
  const { watches, messages } = resolve(`
    watches = [
      { type = "key", key = "a", args = ["/bin/reload", "-v"] },
      {
        type = "service"
        service = "web"
        tag = "v1"
        passingonly = true
        datacenter = "dc1"
        token = "t"
        stale = true
        handler_type = "http"
        http_handler_config {
          path = "https://localhost:8000/watch?x=1"
          method = "PUT"
          timeout = "3s"
          header = { X-Foo = ["a", "b"] }
          tls_skip_verify = true
        }
      },
    ]`)
  assert.deepEqual(messages, [])
  const [key, service] = watches
  assert.deepEqual(key?.handler, { kind: 'script', args: ['/bin/reload', '-v'] })
  assert.deepEqual([key?.token, key?.stale, key?.datacenter], ['', false, ''])
  assert.deepEqual(service?.target.query, { tag: ['v1'], passing: '' })
  assert.deepEqual([service?.token, service?.stale, service?.datacenter], ['t', true, 'dc1'])
  assert.deepEqual(service?.handler, {
    kind: 'http',
    url: 'https://localhost:8000/watch?x=1',
    method: 'PUT',
    timeoutMs: 3000,
    headers: { 'X-Foo': ['a', 'b'] },
    tlsSkipVerify: true,
  })
})

test('each wrong one is named, with all others', () => {
  const http = 'type = "nodes", handler_type = "http"'
  const cases: readonly (readonly [string, RegExp])[] = [
    ['args = ["a"]', /^watches: Watch type must be specified$/],
    ['type = "nodes"', /^watches: args must be a list/],
    ['type = "nodes", args = []', /args must be a list/],
    ['type = "nodes", handler = "x"', /handler is not supported/],
    ['type = "nodes", key = "x", args = ["a"]', /Invalid parameters: \[key\]/],
    ['type = "key", key = 5, args = ["a"]', /key must be a text/],
    ['type = "nodes", stale = "yes", args = ["a"]', /stale must be true or false/],
    ['type = "nodes", handler_type = "mail"', /Handler type 'mail' not recognized/],
    [http, /Handler type 'http' requires 'http_handler_config' to be set/],
    [`${http}, http_handler_config = { path = "ftp://x" }`, /path must be a URL/],
    [`${http}, http_handler_config = { path = "http://x", timeout = "5" }`, /timeout must be/],
    [
      `${http}, http_handler_config = { path = "http://x", header = { "a b" = ["c"] } }`,
      /header must map/,
    ],
  ]
  const { watches, messages } = resolve(
    `watches = [${cases.map(([text]) => `{ ${text} }`).join(', ')}]`,
  )
  assert.deepEqual(watches, [])
  assert.equal(messages.length, cases.length)
  for (const [i, [text, expected]] of cases.entries())
    assert.match(messages[i] ?? '', expected, text)
})

test('there is a bound', () => {
  const one = '{ type = "nodes", args = ["a"] },'
  assert.equal(resolve(`watches = [${one.repeat(64)}]`).watches.length, 64)
  assert.match(resolve(`watches = [${one.repeat(65)}]`).messages[0] ?? '', /at most 64/)
})
