/**
 * /v1/config: config entries by kind and name (http-api.md 23).
 *
 * `service-intentions` is another form of the intentions of one destination, which live in their own table.
 */

import type { IntentionWrite } from '../../../core/catalog/commands.ts'
import { goQuote } from '../../../core/catalog/go-quote.ts'
import type { ConfigEntryRecord, IntentionRecord } from '../../../core/catalog/types.ts'
import { CONFIG_KINDS } from '../../../core/config-entries/kind-fields.ts'
import { FairleadError } from '../../../core/errors.ts'
import { SERVICE_DEFAULTS_SCHEMA } from '../../../core/filter/schemas.ts'
import { sortIntentions } from '../../../core/intentions/precedence.ts'
import type { HttpCall } from '../call.ts'
import { configEntryFromBody } from '../decode/config-entry-body.ts'
import { intentionsOfEntry } from '../decode/intention-body.ts'
import { filtered } from '../filter.ts'
import { decodePercent } from '../path.ts'
import { refuseTenancy } from '../query-options.ts'
import { ask } from '../reading.ts'
import { emptyReply, jsonReply, type Reply, textReply } from '../reply.ts'
import type { Route } from '../route.ts'
import { configEntryJson, serviceIntentionsJson } from '../wire/config-entry.ts'
import { list } from '../wire/json.ts'
import { apply, nowOf } from '../writing.ts'

const INTENTIONS = 'service-intentions'

export const CONFIG_ROUTES: readonly Route[] = [
  {
    path: '/v1/config',
    doc: 'Writes a config entry',
    query: ['cas'],
    methods: { PUT: put },
  },
  {
    path: '/v1/config/',
    doc: 'Reads the entries of a kind, or one entry; deletes one',
    blocking: true,
    query: ['filter', 'cas'],
    methods: { GET: get, DELETE: remove },
  },
]

async function put(call: HttpCall): Promise<Reply> {
  refuseTenancy(call)
  const entry = configEntryFromBody(call.bodyText())
  if (entry.entryKind === INTENTIONS) {
    const intentions = intentionsOfEntry(entry.name, entry.body)
    return jsonReply(String(await replaceIntentions(call, entry.name, intentions)))
  }
  const value = await apply(call, { kind: 'config.set', ...entry, ...casOf(call) })
  return jsonReply(value === false ? 'false' : 'true')
}

async function get(call: HttpCall): Promise<Reply> {
  const [kind = '', ...rest] = call.suffix.split('/')
  if (kind === '') return emptyReply(404)
  if (!CONFIG_KINDS.has(kind)) {
    return textReply(500, `invalid config entry kind: ${kind}`)
  }
  if (rest.length === 0) return kind === INTENTIONS ? listIntentions(call) : listEntries(call, kind)
  const name = nameOf(rest)
  if (kind === INTENTIONS) return oneIntention(call, name)
  const { value, headers } = await ask(call, 'config.get', { entryKind: kind, name })
  return value === null ? missing(kind, name, headers) : jsonReply(configEntryJson(value), headers)
}

async function listEntries(call: HttpCall, kind: string): Promise<Reply> {
  const { value, headers, parameters } = await ask(call, 'config.list', { entryKind: kind })
  if (parameters.filter !== '' && kind !== 'service-defaults') {
    return textReply(500, `filtering not supported for config entry kind=${kind}`)
  }
  const found = filtered<ConfigEntryRecord>(value, parameters.filter, {
    schema: SERVICE_DEFAULTS_SCHEMA,
    encode: configEntryJson,
  })
  return jsonReply(list(found, configEntryJson), headers)
}

async function listIntentions(call: HttpCall): Promise<Reply> {
  const { value, headers, parameters } = await ask(call, 'intention.list', {})
  if (parameters.filter !== '') {
    return textReply(500, `filtering not supported for config entry kind=${INTENTIONS}`)
  }
  const byDestination = Map.groupBy(sortIntentions(value), (rule) => rule.destinationName)
  const names = [...byDestination.keys()].sort()
  const rulesOf = (name: string): readonly IntentionRecord[] => byDestination.get(name) ?? []
  return jsonReply(
    list(names, (name) => serviceIntentionsJson(rulesOf(name))),
    headers,
  )
}

async function oneIntention(call: HttpCall, name: string): Promise<Reply> {
  const { value, headers } = await ask(call, 'intention.list', {})
  const rules = sortIntentions(value).filter((rule) => rule.destinationName === name)
  if (rules.length === 0) return missing(INTENTIONS, name, headers)
  return jsonReply(serviceIntentionsJson(rules), headers)
}

async function remove(call: HttpCall): Promise<Reply> {
  refuseTenancy(call)
  const [kind = '', ...rest] = call.suffix.split('/')
  const name = nameOf(rest)
  if (kind === '' || name === '') {
    return textReply(404, 'Must provide both a kind and name to delete')
  }
  if (!CONFIG_KINDS.has(kind)) return textReply(400, `invalid config entry kind: ${kind}`)
  const cas = casOf(call)
  const value =
    kind === INTENTIONS
      ? await replaceIntentions(call, name, [])
      : await apply(call, { kind: 'config.delete', entryKind: kind, name, ...cas })
  return jsonReply(cas.cas === undefined ? '{}' : String(value !== false))
}

/** @returns false when `cas` does not match */
async function replaceIntentions(
  call: HttpCall,
  destinationName: string,
  intentions: readonly IntentionWrite[],
): Promise<boolean> {
  const now = nowOf(call)
  const command = { kind: 'intention.replace', destinationName, intentions, now } as const
  return (await apply(call, { ...command, ...casOf(call) })) !== false
}

/** Names are escaped twice and may hold slashes. */
function nameOf(rest: readonly string[]): string {
  const name = rest.join('/')
  return decodePercent(name, 'reject') ?? name
}

function missing(kind: string, name: string, headers: readonly string[]): Reply {
  const text = `Config entry not found for ${goQuote(kind)} / ${goQuote(name)}`
  return textReply(404, text, headers)
}

/** @throws FairleadError BAD_REQUEST */
function casOf(call: HttpCall): { readonly cas?: number } {
  const given = call.query.get('cas')
  if (given === '') return {}
  if (/^[0-9]{1,15}$/.test(given)) return { cas: Number(given) }
  throw new FairleadError('BAD_REQUEST', `Error parsing cas value: ${goQuote(given)}`)
}
