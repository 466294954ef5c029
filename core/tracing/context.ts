/**
 * Where a request stands in a trace, read from and written into its header fields: W3C Trace Context, B3 in many
 * fields and in one, and Jaeger's (mesh.md 11.7). Pure.
 *
 * Guarantees: ids that are all zero or malformed count as absent; an unknown version of traceparent is read by its
 * first four fields. The first of traceparent, b3, X-B3-*, uber-trace-id that is valid decides.
 */

export interface TraceContext {
  /** 32 lower hex digits. */
  readonly traceId: string
  /** 16; of the span of whoever sent the request. */
  readonly spanId: string
  /** undefined: nobody has decided yet. */
  readonly sampled: boolean | undefined
  /** B3's flag: sampled whatever else is said. */
  readonly debug: boolean
  /** Of W3C, as it came; '' for none. */
  readonly traceState: string
}

export type Propagation = 'w3c' | 'b3' | 'b3-single' | 'jaeger'
export const PROPAGATIONS: readonly Propagation[] = ['w3c', 'b3', 'b3-single', 'jaeger']

type ReadField = (name: string) => string | undefined

/** A context, or only a decision, as `b3: 0` is. */
export type Incoming =
  | { readonly kind: 'context'; readonly context: TraceContext }
  | { readonly kind: 'decision'; readonly sampled: boolean }
  | { readonly kind: 'none' }

/** Fields that are replaced when a context is written. */
export const TRACE_FIELDS: readonly string[] = [
  'traceparent',
  'tracestate',
  'b3',
  'x-b3-traceid',
  'x-b3-spanid',
  'x-b3-parentspanid',
  'x-b3-sampled',
  'x-b3-flags',
  'uber-trace-id',
]

export function readTraceContext(field: ReadField): Incoming {
  const w3c = readW3c(field('traceparent'), field('tracestate'))
  if (w3c !== undefined) return { kind: 'context', context: w3c }
  const single = field('b3')
  if (single !== undefined) {
    const read = readB3Single(single)
    if (read !== undefined) return read
  }
  const multi = readB3Multi(field)
  if (multi !== undefined) return multi
  const jaeger = readJaeger(field('uber-trace-id'))
  return jaeger === undefined ? { kind: 'none' } : { kind: 'context', context: jaeger }
}

const W3C = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(.*)$/s

function readW3c(parent: string | undefined, state: string | undefined): TraceContext | undefined {
  const parts = W3C.exec(parent?.trim() ?? '')
  if (parts === null) return undefined
  const [, version = '', traceId = '', spanId = '', flags = '', rest = ''] = parts
  if (version === 'ff' || isZero(traceId) || isZero(spanId)) return undefined
  // Later versions may say more, behind another dash.
  if (version === '00' ? rest !== '' : rest !== '' && !rest.startsWith('-')) return undefined
  const sampled = (Number.parseInt(flags, 16) & 1) === 1
  return { traceId, spanId, sampled, debug: false, traceState: cutState(state ?? '') }
}

const STATE_MEMBERS_MAX = 32
const STATE_CHARS_MAX = 512
const LONG_MEMBER = 128

/** At most what everybody must pass on; long members go first, then the last. */
function cutState(state: string): string {
  let members = state
    .split(',')
    .map((member) => member.trim())
    .filter((member) => /^[^=]+=[^=]*$/.test(member))
  if (members.length > STATE_MEMBERS_MAX) return ''
  if (members.join(',').length > STATE_CHARS_MAX) {
    members = members.filter((member) => member.length <= LONG_MEMBER)
  }
  while (members.join(',').length > STATE_CHARS_MAX) members.pop()
  return members.join(',')
}

const B3_SINGLE = /^([0-9a-f]{16}|[0-9a-f]{32})-([0-9a-f]{16})(?:-([01d])(?:-[0-9a-f]{16})?)?$/

function readB3Single(text: string): Incoming | undefined {
  const value = text.trim().toLowerCase()
  if (value === '0' || value === '1' || value === 'd') {
    return { kind: 'decision', sampled: value !== '0' }
  }
  const parts = B3_SINGLE.exec(value)
  if (parts === null) return undefined
  const [, traceId = '', spanId = '', decision] = parts
  if (isZero(traceId) || isZero(spanId)) return undefined
  const sampled = decision === undefined ? undefined : decision !== '0'
  return { kind: 'context', context: contextOf(traceId, spanId, sampled, decision === 'd') }
}

function readB3Multi(field: ReadField): Incoming | undefined {
  const said = field('x-b3-sampled')?.trim().toLowerCase()
  const debug = field('x-b3-flags')?.trim() === '1'
  let sampled: boolean | undefined
  if (said === '1' || said === 'true') sampled = true
  if (said === '0' || said === 'false') sampled = false
  if (debug) sampled = true
  const traceId = field('x-b3-traceid')?.trim().toLowerCase() ?? ''
  const spanId = field('x-b3-spanid')?.trim().toLowerCase() ?? ''
  const isTrace = /^(?:[0-9a-f]{16}|[0-9a-f]{32})$/.test(traceId) && !isZero(traceId)
  if (isTrace && /^[0-9a-f]{16}$/.test(spanId) && !isZero(spanId)) {
    return { kind: 'context', context: contextOf(traceId, spanId, sampled, debug) }
  }
  return sampled === undefined ? undefined : { kind: 'decision', sampled }
}

const JAEGER = /^([0-9a-f]{1,32}):([0-9a-f]{1,16}):[0-9a-f]{1,16}:([0-9a-f]{1,2})$/

function readJaeger(text: string | undefined): TraceContext | undefined {
  if (text === undefined) return undefined
  const parts = JAEGER.exec(text.trim().toLowerCase().replaceAll('%3a', ':'))
  if (parts === null) return undefined
  const [, traceId = '', spanId = '', flags = ''] = parts
  if (isZero(traceId) || isZero(spanId)) return undefined
  const bits = Number.parseInt(flags, 16)
  const debug = (bits & 2) !== 0
  return contextOf(traceId, spanId.padStart(16, '0'), debug || (bits & 1) !== 0, debug)
}

function contextOf(
  traceId: string,
  spanId: string,
  sampled: boolean | undefined,
  debug: boolean,
): TraceContext {
  return { traceId: traceId.padStart(32, '0'), spanId, sampled, debug, traceState: '' }
}

function isZero(hex: string): boolean {
  return /^0+$/.test(hex)
}

/** @returns header lines, each with its CRLF, that hand the context on. An undecided one is not sampled in W3C. */
export function traceLines(context: TraceContext, as: readonly Propagation[]): string {
  return as.map((form) => linesIn(form, context)).join('')
}

function linesIn(form: Propagation, context: TraceContext): string {
  const { traceId, spanId, sampled, debug, traceState } = context
  switch (form) {
    case 'w3c': {
      const state = traceState === '' ? '' : `tracestate: ${traceState}\r\n`
      return `traceparent: 00-${traceId}-${spanId}-${sampled === true ? '01' : '00'}\r\n${state}`
    }
    case 'b3': {
      let decision = ''
      if (debug) decision = 'x-b3-flags: 1\r\n'
      else if (sampled !== undefined) decision = `x-b3-sampled: ${sampled ? '1' : '0'}\r\n`
      return `x-b3-traceid: ${traceId}\r\nx-b3-spanid: ${spanId}\r\n${decision}`
    }
    case 'b3-single': {
      let decision = ''
      if (debug) decision = '-d'
      else if (sampled !== undefined) decision = sampled ? '-1' : '-0'
      return `b3: ${traceId}-${spanId}${decision}\r\n`
    }
    case 'jaeger': {
      const flags = (sampled === true ? 1 : 0) | (debug ? 2 : 0)
      return `uber-trace-id: ${traceId}:${spanId}:0:${flags}\r\n`
    }
  }
}
