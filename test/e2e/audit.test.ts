/**
 * The audit log of an agent: a line for each request, who asked and what came of it, and no secret anywhere in it.
 */

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { startAgent, temporaryFolder } from './harness/agent.ts'
import { eventually, runCommand } from './harness/program.ts'

const ROOT = randomUUID()

interface AuditLine {
  readonly event_type: string
  readonly payload: {
    readonly auth: { readonly accessor_id: string; readonly is_known: boolean }
    readonly request: {
      readonly operation: string
      readonly endpoint: string
      readonly remote_addr: string
      readonly user_agent: string
    }
    readonly response: { readonly status: string }
  }
}

async function textOf(folder: string): Promise<string> {
  const names = (await readdir(folder)).sort()
  return (await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')))).join('')
}

describe('the audit log', () => {
  it('tells who asked what and what came of it, and no secret', async () => {
    const folder = await temporaryFolder()
    await using _folder = {
      [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
    }
    const audit = join(folder, 'audit')
    await mkdir(audit)
    await using agent = await startAgent({
      flags: [
        `-hcl=acl { enabled = true default_policy = "deny" tokens { initial_management = "${ROOT}" } }`,
        `-hcl=audit { enabled = true sink "one" { type = "file" format = "json" path = "${join(audit, 'audit.json')}" rotate_bytes = 4096 } }`,
      ],
    })
    const ask = (path: string, token: string, init: RequestInit = {}): Promise<Response> =>
      fetch(`${agent.url}${path}`, {
        ...init,
        headers: { 'X-Consul-Token': token, 'User-Agent': 'auditor' },
      })
    await eventually(
      'the first token is there',
      async () => (await ask('/v1/acl/token/self', ROOT)).ok,
      30_000,
    )
    const self = (await (await ask('/v1/acl/token/self', ROOT)).json()) as { AccessorID: string }
    const secret = randomUUID()
    assert.equal((await ask('/v1/kv/a', ROOT, { method: 'PUT', body: 'value' })).status, 200)
    assert.equal((await ask('/v1/kv/a', '', { method: 'DELETE' })).status, 403)
    assert.equal((await ask(`/v1/kv/a?token=${secret}`, '')).status, 403)

    const lines = async (): Promise<AuditLine[]> =>
      (await textOf(audit))
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as AuditLine)
    const about = async (operation: string): Promise<AuditLine['payload'] | undefined> =>
      (await lines()).find(
        ({ payload: { request } }) =>
          request.operation === operation && request.endpoint === '/v1/kv/a',
      )?.payload
    await eventually('all is written', async () => (await about('GET')) !== undefined)
    const put = await about('PUT')
    assert.equal(put?.auth.accessor_id, self.AccessorID)
    assert.equal(put?.response.status, '200')
    assert.equal(put?.request.user_agent, 'auditor')
    assert.match(put?.request.remote_addr ?? '', /^127\.0\.0\.1:\d+$/)
    const anonymous = await about('DELETE')
    assert.equal(anonymous?.auth.accessor_id, '00000000-0000-0000-0000-000000000002')
    assert.equal(anonymous?.response.status, '403')
    const stranger = await about('GET')
    assert.deepEqual(stranger?.auth, { accessor_id: '', is_known: false })

    for (let i = 0; i < 40; i++) await ask('/v1/kv/a', ROOT)
    await eventually('the file is turned over', async () => (await readdir(audit)).length > 1)
    const text = await textOf(audit)
    for (const hidden of [ROOT, secret]) assert.ok(!text.includes(hidden))
    for (const name of await readdir(audit)) {
      assert.equal((await stat(join(audit, name))).mode & 0o007, 0, 'others cannot read it')
    }
  })

  it('is refused with the place where it cannot be written', async () => {
    const wrong: readonly (readonly [string, RegExp])[] = [
      ['audit { enabled = true }', /audit is enabled and has no sink/],
      ['audit { enabled = true sink "a" { type = "socket" path = "/x" } }', /type "socket"/],
      ['audit { enabled = true sink "a" { type = "file" } }', /path is not set/],
      ['audit { enabled = true sink "a" { path = "/x" colour = 1 } }', /"colour" is not known/],
      [
        'audit { enabled = true sink "a" { path = "/nowhere/at/all/x.json" } }',
        /file of audit\.sink cannot be written: ENOENT/,
      ],
    ]
    for (const [hcl, message] of wrong) {
      const { code, stderr, stdout } = await runCommand(['agent', '-dev', `-hcl=${hcl}`])
      assert.equal(code, 1, hcl)
      assert.match(`${stderr}${stdout}`, message)
    }
  })
})
