/**
 * `fairlead acl …`, `login` and `logout` against an agent with access control on (cli.md section 9).
 */

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { startAgent, type TestAgent, temporaryFolder } from './harness/agent.ts'

let agent: TestAgent
let folder = ''
let root = ''

async function run(
  ...argv: readonly string[]
): Promise<{ code: number | null; out: string; err: string }> {
  const given = root === '' ? argv : [...argv, `-token=${root}`]
  const { code, stdout, stderr } = await agent.command(...given)
  return { code, out: stdout, err: stderr }
}

async function ok(...argv: readonly string[]): Promise<string> {
  const { code, out, err } = await run(...argv)
  assert.equal(code, 0, `${argv.join(' ')}: ${err}${out}`)
  return out
}

before(async () => {
  folder = await temporaryFolder()
  const file = join(folder, 'acl.json')
  await writeFile(file, '{"acl":{"enabled":true,"default_policy":"deny"}}')
  agent = await startAgent({ flags: [`-config-file=${file}`] })
})
after(async () => {
  await agent[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

test('bootstrap makes the first token, once', async () => {
  const secret = randomUUID()
  const file = join(folder, 'secret')
  await writeFile(file, `${secret}\n`)
  const out = await ok('acl', 'bootstrap', file)
  assert.match(out, /^AccessorID: {7}[0-9a-f-]{36}\nSecretID: {9}/)
  assert.ok(out.includes(secret))
  assert.match(out, /Policies:\n {3}00000000-0000-0000-0000-000000000001 - global-management\n$/)
  const again = await run('acl', 'bootstrap')
  assert.equal(again.code, 1)
  assert.match(
    again.err,
    /^Failed ACL bootstrapping: Unexpected response code: 403 \(Permission denied: ACL bootstrap no longer allowed \(reset index: \d+\)\)/,
  )
  root = secret
})

test('a policy is made, found by the beginning of its id, changed and deleted', async () => {
  const rules = join(folder, 'rules.hcl')
  await writeFile(rules, 'key_prefix "app/" { policy = "write" }')
  const made = JSON.parse(
    await ok('acl', 'policy', 'create', '-name=app', `-rules=@${rules}`, '-format=json'),
  ) as { ID: string; Rules: string }
  assert.equal(made.Rules, 'key_prefix "app/" { policy = "write" }')
  const shown = await ok('acl', 'policy', 'read', `-id=${made.ID.slice(0, 8)}`)
  assert.match(shown, /^ID: {15}.*\nName: {13}app\nDescription:\nDatacenters:\nRules:\nkey_prefix/)
  await ok('acl', 'policy', 'update', '-name=app', '-description=of the app')
  assert.match(
    await ok('acl', 'policy', 'list'),
    /app:\n {3}ID: .*\n {3}Description: {2}of the app\n/,
  )
  const bad = await run('acl', 'policy', 'create', '-name=bad', '-rules=service "x" {}')
  assert.match(bad.err, /service "x" has no policy; write policy = "read" \(line 1/)
})

test('a token gives what its policies, roles and identities say', async () => {
  await ok('acl', 'role', 'create', '-name=ops', '-policy-name=app')
  const token = JSON.parse(
    await ok('acl', 'token', 'create', '-role-name=ops', '-service-identity=web', '-format=json'),
  ) as { AccessorID: string; SecretID: string }
  const as = `-token=${token.SecretID}`
  const put = await agent.command('kv', 'put', as, 'app/x', '1')
  assert.equal(put.code, 0, put.stderr)
  const denied = await agent.command('kv', 'put', as, 'other', '1')
  assert.match(
    denied.stderr,
    new RegExp(`${token.AccessorID}' lacks permission 'key:write' on "other"`),
  )
  const self = await agent.command('acl', 'token', 'read', '-self', as)
  assert.ok(self.stdout.includes(token.SecretID))
  assert.match(
    self.stdout,
    /Roles:\n {3}.* - ops\nService Identities:\n {3}web \(Datacenters: all\)\n/,
  )
  const cut = token.AccessorID.slice(0, 8)
  assert.match(await ok('acl', 'token', 'read', `-accessor-id=${cut}`), /SecretID: {9}<hidden>\n/)
  const gone = await ok('acl', 'token', 'delete', `-accessor-id=${cut}`)
  assert.equal(gone, `Token "${token.AccessorID}" deleted successfully\n`)
  const nobody = await agent.command('kv', 'get', as, 'app/x')
  assert.match(nobody.stderr, /ACL not found/)
})

test('templated policies are listed and previewed', async () => {
  assert.match(await ok('acl', 'templated-policy', 'list'), /builtin\/dns\n/)
  const out = await ok('acl', 'templated-policy', 'preview', '-name=builtin/node', '-var=name:n1')
  assert.match(out, /Rules:\nnode "n1" \{\n\tpolicy = "write"\n\}/)
})

test('the agent is given a token', async () => {
  const as = `-token=${root}`
  const set = (...argv: string[]) => agent.command('acl', 'set-agent-token', as, ...argv)
  const { stdout: out } = await set('default', root)
  assert.equal(out, 'ACL token "default" set successfully\n')
  const { code } = await agent.command('kv', 'put', 'by-default', '1')
  assert.equal(code, 0)
  await set('default', '')
})

test('auth methods and binding rules are made; a login that fails writes no file', async () => {
  const config = '{"JWKSURL":"http://127.0.0.1:1/","ClaimMappings":{"sub":"who"}}'
  await ok('acl', 'auth-method', 'create', '-name=vm', '-type=jwt', `-config=${config}`)
  await ok('acl', 'binding-rule', 'create', '-method=vm', '-bind-type=role', '-bind-name=ops')
  assert.match(await ok('acl', 'binding-rule', 'list', '-method=vm'), /BindName: {9}ops\n/)
  const bearer = join(folder, 'bearer')
  const sink = join(folder, 'sink')
  await writeFile(bearer, 'nonsense')
  const { code, stderr } = await agent.command(
    'login',
    '-method=vm',
    `-bearer-token-file=${bearer}`,
    `-token-sink-file=${sink}`,
  )
  assert.equal(code, 1)
  assert.ok(!stderr.includes('nonsense'), stderr)
  await assert.rejects(readFile(sink), { code: 'ENOENT' })
  const out = await run('logout')
  assert.match(out.err, /wasn't created via login/)
})
