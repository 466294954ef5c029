/**
 * The table of compatibility: complete against Consul's endpoints, keys and commands, and honest about them.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ROUTES } from '../../agent/http/routes.ts'
import { agentCommand } from '../../cli/commands/agent.ts'
import { leaves } from '../../core/config/key-table.ts'
import { KEYS } from '../../core/config/keys.ts'
import {
  type CompatibilityRow,
  commandRows,
  endpointRows,
  keyRows,
} from '../../scripts/docs/compatibility-page.ts'
import { CONSUL_AGENT_FLAGS } from '../../scripts/docs/consul/agent-flags.ts'
import { CONSUL_COMMANDS } from '../../scripts/docs/consul/commands.ts'
import { CONSUL_ENDPOINTS } from '../../scripts/docs/consul/endpoints.ts'
import { CONSUL_KEYS } from '../../scripts/docs/consul/keys.ts'
import {
  COMMAND_DIFFERENCES,
  ENDPOINT_DIFFERENCES,
  KEY_DIFFERENCES,
  MISSING_ENDPOINTS,
} from '../../scripts/docs/differences.ts'

function find(rows: readonly CompatibilityRow[], name: string): CompatibilityRow {
  return rows.find((row) => row.name === `\`${name}\``) ?? assert.fail(`no row for ${name}`)
}

describe('the table of compatibility', () => {
  it('knows every endpoint, key and command of Consul', () => {
    const unknown = [...endpointRows(), ...keyRows(), ...commandRows()].filter(
      ({ note }) => note === '404' || note === '501' || /^(?:An unknown key|Unknown:)/.test(note),
    )
    assert.deepEqual(unknown, [])
  })

  it('has each of them once', () => {
    for (const names of [CONSUL_COMMANDS, CONSUL_KEYS, CONSUL_ENDPOINTS.map(([path]) => path)]) {
      assert.equal(new Set(names).size, names.length)
    }
    assert.deepEqual(
      [CONSUL_ENDPOINTS.length, endpointRows().length, keyRows().length, commandRows().length],
      [127, 127, CONSUL_KEYS.length, CONSUL_COMMANDS.length],
    )
  })

  it('is right that the agent takes every flag of Consul’s', () => {
    const flags = new Set(agentCommand.flags.map((flag) => flag.name))
    assert.deepEqual(
      CONSUL_AGENT_FLAGS.filter((flag) => !flags.has(flag)),
      [],
    )
  })

  it('says of everything that is not as in Consul what there is', () => {
    for (const row of [...endpointRows(), ...keyRows(), ...commandRows()]) {
      if (row.status !== 'works') assert.ok(row.note.length > 10, `${row.name}: ${row.note}`)
    }
  })

  it('reads what works from the tables of the program', () => {
    assert.equal(find(endpointRows(), 'GET, PUT, DELETE /v1/kv/').status, 'works')
    assert.equal(find(endpointRows(), 'POST /v1/peering/token').status, 'not supported')
    assert.equal(find(keyRows(), 'log_level').status, 'works')
    assert.equal(find(keyRows(), 'acl.enabled').status, 'works')
    assert.match(find(keyRows(), 'start_join').note, /^An old name of `retry_join`/)
    assert.equal(find(commandRows(), 'kv get').status, 'works')
    assert.equal(find(commandRows(), 'peering establish').status, 'not supported')
  })

  it('names only what exists in its notes', () => {
    const served = new Set(
      ROUTES.filter((route) => route.unsupported !== true).map((route) => route.path),
    )
    const stray = Object.keys(ENDPOINT_DIFFERENCES).filter((path) => !served.has(path))
    assert.deepEqual(stray, [])
    const missing = ROUTES.filter((route) => route.unsupported === true)
    const unused = MISSING_ENDPOINTS.filter(
      ([prefix]) => !missing.some((route) => route.path.startsWith(prefix)),
    )
    assert.deepEqual(unused, [])
    const works = new Set(
      [...leaves(KEYS)].filter(([, leaf]) => leaf.support === 'full').map(([path]) => path),
    )
    assert.deepEqual(
      Object.keys(KEY_DIFFERENCES).filter((key) => !works.has(key)),
      [],
    )
    const commands = commandRows()
    for (const words of Object.keys(COMMAND_DIFFERENCES)) {
      assert.equal(find(commands, words).status, 'differs')
    }
  })

  it('finds no key of no effect that does not say what is so instead', () => {
    for (const [path, leaf] of leaves(KEYS)) {
      if (leaf.support !== 'full') assert.notEqual(leaf.doc, '', path)
    }
  })
})
