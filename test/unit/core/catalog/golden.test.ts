/**
 * Files of every version of the log's commands and of the image, read for ever.
 *
 * `golden/commands-v….base64`: one command a line, as in a Raft entry. `golden/image-v….txt`: the state
 * after them. A change that breaks this test would make servers lose their data on an upgrade: raise the
 * version, keep reading the old one, and add files beside these.
 */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { decodeCommand, decodeLogged } from '../../../../core/catalog/codec.ts'
import { StateStore } from '../../../../core/catalog/state-store.ts'

function golden(name: string): Buffer {
  return readFileSync(new URL(`./golden/${name}`, import.meta.url))
}

function imageOf(store: StateStore): string {
  return Buffer.concat([...store.snapshot().image()]).toString()
}

/** An image of version 1, as version 2 had the same state. */
function inVersion2(image: string): string {
  return image
    .replace('fairlead-state 1\n', 'fairlead-state 2\n')
    .replace('"indexes":{', '"indexes":{"autopilot":0,')
    .replace(/("offsetCounter":\d+)\}/, '$1,"restoredAt":0}')
}

/** An image of version 2, as version 3 had the same state. */
function inVersion3(image: string): string {
  const restoredAt = /"restoredAt":(\d+)/.exec(image)?.[1] ?? '0'
  return image
    .replace('fairlead-state 2\n', 'fairlead-state 3\n')
    .replace(/("config":\d+),/, `$1,"coordinates":${restoredAt},`)
}

/** An image of version 3, as version 4 had the same state. */
function inVersion4(image: string): string {
  const restoredAt = /"restoredAt":(\d+)/.exec(image)?.[1] ?? '0'
  return image
    .replace('fairlead-state 3\n', 'fairlead-state 4\n')
    .replace(/("nodes":\d+),/, `$1,"queries":${restoredAt},`)
}

/** An image of version 4, as version 5 had the same state. */
function inVersion5(image: string): string {
  const at = /"restoredAt":(\d+)/.exec(image)?.[1] ?? '0'
  const tables = ['aclAuthMethods', 'aclBindingRules', 'aclPolicies', 'aclRoles', 'aclTokens']
  const indexes = tables.map((table) => `"${table}":${at},`).join('')
  return image
    .replace('fairlead-state 4\n', 'fairlead-state 5\n')
    .replace('["meta",{', '["meta",{"aclBootstrapIndex":0,')
    .replace('"indexes":{', `"indexes":{${indexes}`)
}

/** An image of version 5, as this program writes the same state. */
function inVersion6(image: string): string {
  const at = /"restoredAt":(\d+)/.exec(image)?.[1] ?? '0'
  return image
    .replace('fairlead-state 5\n', 'fairlead-state 6\n')
    .replace(/("intentions":\d+),/, `$1,"joinTokens":${at},`)
}

describe('version 1', () => {
  const image = golden('image-v1.txt')
  const commands = golden('commands-v1.base64').toString().trimEnd().split('\n')

  it('of the image is restored and written again in the present version', () => {
    const store = new StateStore({ datacenter: 'dc1' })
    store.restore([image])
    assert.equal(
      imageOf(store),
      inVersion6(inVersion5(inVersion4(inVersion3(inVersion2(image.toString()))))),
    )
  })

  it('of the commands is decoded and gives the same state', () => {
    const store = new StateStore({ datacenter: 'dc1' })
    for (const [i, line] of commands.entries()) {
      const command = decodeCommand(Uint8Array.from(Buffer.from(line, 'base64')))
      assert.ok(store.apply(i + 1, command).ok, `line ${i + 1}`)
    }
    assert.equal(
      imageOf(store),
      inVersion6(inVersion5(inVersion4(inVersion3(inVersion2(image.toString()))))),
    )
  })
})

describe('version 2', () => {
  const image = golden('image-v2.txt')
  const commands = golden('commands-v2.base64').toString().trimEnd().split('\n')

  it('of the image is restored and written again in the present version', () => {
    const store = new StateStore({ datacenter: 'dc1' })
    store.restore([image])
    assert.equal(imageOf(store), inVersion6(inVersion5(inVersion4(inVersion3(image.toString())))))
  })

  it('of the commands is decoded and gives the same state', () => {
    const store = new StateStore({ datacenter: 'dc1' })
    for (const [i, line] of commands.entries()) {
      const bytes = Uint8Array.from(Buffer.from(line, 'base64'))
      const { command, requestId } = decodeLogged(bytes)
      assert.ok(store.apply(i + 1, command, requestId).ok, `line ${i + 1}`)
    }
    assert.equal(imageOf(store), inVersion6(inVersion5(inVersion4(inVersion3(image.toString())))))
  })
})

describe('version 3', () => {
  const image = golden('image-v3.txt')
  const commands = golden('commands-v3.base64').toString().trimEnd().split('\n')

  it('of the image is restored and written again in the present version', () => {
    const store = new StateStore({ datacenter: 'dc1' })
    store.restore([image])
    assert.equal(imageOf(store), inVersion6(inVersion5(inVersion4(image.toString()))))
  })

  it('of the commands is decoded and gives the same state', () => {
    const store = new StateStore({ datacenter: 'dc1' })
    for (const [i, line] of commands.entries()) {
      const bytes = Uint8Array.from(Buffer.from(line, 'base64'))
      const { command, requestId } = decodeLogged(bytes)
      assert.ok(store.apply(i + 1, command, requestId).ok, `line ${i + 1}`)
    }
    assert.equal(imageOf(store), inVersion6(inVersion5(inVersion4(image.toString()))))
  })
})

describe('version 4', () => {
  const image = golden('image-v4.txt')
  const commands = golden('commands-v4.base64').toString().trimEnd().split('\n')

  it('of the image is restored and written again in the present version', () => {
    const store = new StateStore({ datacenter: 'dc1' })
    store.restore([image])
    assert.equal(imageOf(store), inVersion6(inVersion5(image.toString())))
  })

  it('of the commands is decoded and gives the same state', () => {
    const store = new StateStore({ datacenter: 'dc1' })
    for (const [i, line] of commands.entries()) {
      const bytes = Uint8Array.from(Buffer.from(line, 'base64'))
      const { command, requestId } = decodeLogged(bytes)
      assert.ok(store.apply(i + 1, command, requestId).ok, `line ${i + 1}`)
    }
    assert.equal(imageOf(store), inVersion6(inVersion5(image.toString())))
  })
})

describe('version 5', () => {
  const image = golden('image-v5.txt')
  const commands = golden('commands-v5.base64').toString().trimEnd().split('\n')

  it('of the image is restored and written again in the present version', () => {
    const store = new StateStore({ datacenter: 'dc1' })
    store.restore([image])
    assert.equal(imageOf(store), inVersion6(image.toString()))
  })

  it('of the commands is decoded and gives the same state', () => {
    const store = new StateStore({ datacenter: 'dc1' })
    for (const [i, line] of commands.entries()) {
      const bytes = Uint8Array.from(Buffer.from(line, 'base64'))
      const { command, requestId } = decodeLogged(bytes)
      assert.ok(store.apply(i + 1, command, requestId).ok, `line ${i + 1}`)
    }
    assert.equal(imageOf(store), inVersion6(image.toString()))
  })
})

describe('version 6', () => {
  const image = golden('image-v6.txt')
  const commands = golden('commands-v6.base64').toString().trimEnd().split('\n')

  it('of the image is restored and written again as it was', () => {
    const store = new StateStore({ datacenter: 'dc1' })
    store.restore([image])
    assert.equal(imageOf(store), image.toString())
  })

  it('of the commands is decoded and gives the same state', () => {
    const store = new StateStore({ datacenter: 'dc1' })
    for (const [i, line] of commands.entries()) {
      const bytes = Uint8Array.from(Buffer.from(line, 'base64'))
      const { command, requestId } = decodeLogged(bytes)
      assert.ok(store.apply(i + 1, command, requestId).ok, `line ${i + 1}`)
    }
    assert.equal(imageOf(store), image.toString())
  })
})
