/**
 * How registers are read, written and compared and set at one kind of server: ours by the KV store, and etcd's,
 * so that the same clients and the same judge can be held against servers that others wrote.
 */

import type { Agent } from 'node:http'
import { type Answer, ask, outcomeOf } from './api-client.ts'

export type Consistency = 'default' | 'consistent' | 'stale'

export interface Known {
  readonly value: string | null
  /** Of the key's last change; 0 when there is none. What compare and set asks for. */
  readonly modifyIndex: number
}

export type Outcome = 'ok' | 'fail' | 'info'

export interface RegisterApi {
  /** Undefined when there is no answer: a read changes nothing, so that it failed is certain. */
  read(agent: Agent, url: string, key: string, how: Consistency): Promise<Known | undefined>
  write(agent: Agent, url: string, key: string, value: string): Promise<Outcome>
  cas(
    agent: Agent,
    url: string,
    key: string,
    last: Known,
    wanted: string,
  ): Promise<{ readonly outcome: Outcome; readonly isDone: boolean }>
}

export const fairleadRegisters: RegisterApi = {
  async read(agent, url, key, how) {
    const mode = how === 'default' ? '' : `?${how}`
    const answer = await ask(agent, 'GET', `${url}/v1/kv/${key}${mode}`)
    if (answer.kind !== 'answered') return undefined
    if (answer.status === 404) return { value: null, modifyIndex: 0 }
    if (answer.status !== 200) return undefined
    const [entry] = JSON.parse(answer.body) as [{ Value: string; ModifyIndex: number }]
    return { value: text(entry.Value), modifyIndex: entry.ModifyIndex }
  },
  async write(agent, url, key, value) {
    return outcomeOf(await ask(agent, 'PUT', `${url}/v1/kv/${key}`, value))
  },
  async cas(agent, url, key, last, wanted) {
    const path = `${url}/v1/kv/${key}?cas=${last.modifyIndex}`
    const answer = await ask(agent, 'PUT', path, wanted)
    const isDone = answer.kind === 'answered' && answer.body.trim() === 'true'
    return { outcome: outcomeOf(answer), isDone }
  },
}

interface EtcdRange {
  readonly kvs?: readonly [{ readonly value: string; readonly mod_revision: string }]
}

/** etcd's JSON gateway. Its stale reads are the serializable ones. */
export const etcdRegisters: RegisterApi = {
  async read(agent, url, key, how) {
    const body = JSON.stringify({ key: base64(key), serializable: how === 'stale' })
    const answer = await ask(agent, 'POST', `${url}/v3/kv/range`, body)
    if (answer.kind !== 'answered' || answer.status !== 200) return undefined
    const [entry] = (JSON.parse(answer.body) as EtcdRange).kvs ?? []
    if (entry === undefined) return { value: null, modifyIndex: 0 }
    return { value: text(entry.value), modifyIndex: Number(entry.mod_revision) }
  },
  async write(agent, url, key, value) {
    const body = JSON.stringify({ key: base64(key), value: base64(value) })
    return etcdOutcome(await ask(agent, 'POST', `${url}/v3/kv/put`, body))
  },
  async cas(agent, url, key, last, wanted) {
    const compare = { key: base64(key), target: 'MOD', mod_revision: String(last.modifyIndex) }
    const put = { request_put: { key: base64(key), value: base64(wanted) } }
    const body = JSON.stringify({ compare: [compare], success: [put] })
    const answer = await ask(agent, 'POST', `${url}/v3/kv/txn`, body)
    const outcome = etcdOutcome(answer)
    const isDone =
      answer.kind === 'answered' &&
      outcome === 'ok' &&
      (JSON.parse(answer.body) as { readonly succeeded?: boolean }).succeeded === true
    return { outcome, isDone }
  },
}

/** It does not say whether an error came before or after the proposal. */
function etcdOutcome(answer: Answer): Outcome {
  if (answer.kind === 'refused') return 'fail'
  return answer.kind === 'answered' && answer.status === 200 ? 'ok' : 'info'
}

function base64(value: string): string {
  return Buffer.from(value).toString('base64')
}

function text(value: string): string {
  return Buffer.from(value, 'base64').toString()
}
