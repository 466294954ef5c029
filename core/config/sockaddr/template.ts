/**
 * Address templates of configuration keys, `{{ GetPrivateIP }}` and pipelines of filters (agent-config.md section 8).
 *
 * A template is text with `{{ … }}` in it: a source of addresses, then filters behind `|`, of which the last makes a
 * text. Pure: the host's interfaces are an argument. Every failure names what is wrong and what there is.
 * Bounds: TEMPLATE_LENGTH_MAX characters, STEPS_MAX steps.
 */

import { isLinkLocal, isLoopback } from '../ip-address.ts'
import { attribute, computed } from './attributes.ts'
import { type HostInterface, TemplateProblem } from './host-interface.ts'
import { selector, sorted, unique } from './selectors.ts'

export type Expanded =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly message: string }

const TEMPLATE_LENGTH_MAX = 4_096
const STEPS_MAX = 32

/** @param interfaces in the order of preference: those of the default route first */
export function expandTemplate(text: string, interfaces: readonly HostInterface[]): Expanded {
  try {
    if (text.length > TEMPLATE_LENGTH_MAX) {
      throw new TemplateProblem(`a template is longer than ${TEMPLATE_LENGTH_MAX} characters`)
    }
    return { ok: true, text: new Expansion(text, interfaces).run().trim() }
  } catch (thrown) {
    if (thrown instanceof TemplateProblem) return { ok: false, message: thrown.message }
    throw thrown
  }
}

/** One word of a step; the quotes are gone. */
interface Word {
  readonly text: string
  readonly isQuoted: boolean
}

type Value =
  | { readonly kind: 'addresses'; readonly list: readonly HostInterface[] }
  | { readonly kind: 'text'; readonly text: string }

const WORD = /\s*(?:"((?:[^"\\]|\\.)*)"|`([^`]*)`|([^\s"`|(){}]+))/y
const BLANK = /\s*/y

class Expansion {
  readonly #text: string
  readonly #interfaces: readonly HostInterface[]
  #at = 0

  constructor(text: string, interfaces: readonly HostInterface[]) {
    this.#text = text
    this.#interfaces = interfaces
  }

  run(): string {
    let out = ''
    for (;;) {
      const open = this.#text.indexOf('{{', this.#at)
      if (open === -1) return out + this.#text.slice(this.#at)
      out += this.#text.slice(this.#at, open)
      this.#at = open + 2
      const value = this.#pipeline()
      out += value.kind === 'text' ? value.text : addressesAsText(value.list)
    }
  }

  #pipeline(): Value {
    const start = this.#at
    let value: Value | undefined
    for (let step = 0; step < STEPS_MAX; step++) {
      const words = this.#words()
      const [name, ...parameters] = words
      if (name === undefined || name.isQuoted) {
        throw new TemplateProblem('expected the name of a function in "{{ }}"')
      }
      try {
        value =
          value === undefined
            ? source(name.text, parameters, this.#interfaces)
            : filtered(value, name.text, parameters)
      } catch (thrown) {
        if (!(thrown instanceof TemplateProblem)) throw thrown
        throw new TemplateProblem(`${thrown.message} in "{{${this.#rest(start)}}}"`)
      }
      if (this.#take('}}')) return value
      if (!this.#take('|')) {
        throw new TemplateProblem(
          this.#at >= this.#text.length
            ? 'unclosed "{{"'
            : `unexpected "${this.#text.slice(this.#at, this.#at + 10)}" in a template`,
        )
      }
    }
    throw new TemplateProblem(`a template has more than ${STEPS_MAX} steps`)
  }

  #words(): readonly Word[] {
    const words: Word[] = []
    for (;;) {
      WORD.lastIndex = this.#at
      const match = WORD.exec(this.#text)
      if (match === null) break
      this.#at += match[0].length
      const [, quoted, raw, bare] = match
      if (bare !== undefined) words.push({ text: bare, isQuoted: false })
      else words.push({ text: raw ?? (quoted ?? '').replace(/\\(.)/g, '$1'), isQuoted: true })
    }
    BLANK.lastIndex = this.#at
    this.#at += BLANK.exec(this.#text)?.[0].length ?? 0
    return words
  }

  #take(what: string): boolean {
    if (!this.#text.startsWith(what, this.#at)) return false
    this.#at += what.length
    return true
  }

  /** The whole of a template, for a message. */
  #rest(start: number): string {
    const end = this.#text.indexOf('}}', start)
    return this.#text.slice(start, end === -1 ? undefined : end)
  }
}

function addressesAsText(list: readonly HostInterface[]): string {
  if (list.length === 0) return ''
  throw new TemplateProblem(
    'the template ends in addresses, not in a text; add | attr "address", or | join "address" " "',
  )
}

/** @throws TemplateProblem */
function source(
  name: string,
  parameters: readonly Word[],
  interfaces: readonly HostInterface[],
): Value {
  switch (name) {
    case 'GetAllInterfaces':
      return addresses(interfaces)
    case 'GetDefaultInterfaces':
      return addresses(interfaces.filter((host) => host.isDefault))
    case 'GetPrivateInterfaces':
      return addresses(privateOnes(interfaces))
    case 'GetPublicInterfaces':
      return addresses(publicOnes(interfaces))
    case 'GetPrivateIP':
      return oneAddress(select(privateOnes(interfaces), 'type', 'ipv4'))
    case 'GetPrivateIPs':
      return text(privateOnes(interfaces))
    case 'GetPublicIP':
      return oneAddress(publicOnes(interfaces))
    case 'GetPublicIPs':
      return text(publicOnes(interfaces))
    case 'GetInterfaceIP':
      return oneAddress(ofInterface(name, parameters, interfaces))
    case 'GetInterfaceIPs':
      return text(ofInterface(name, parameters, interfaces))
    default:
      throw new TemplateProblem(`the function ${name} is not supported`)
  }
}

function addresses(list: readonly HostInterface[]): Value {
  return { kind: 'addresses', list }
}

function text(list: readonly HostInterface[]): Value {
  return { kind: 'text', text: list.map((host) => host.address).join(' ') }
}

/** One that others can reach, where there is one. */
function oneAddress(list: readonly HostInterface[]): Value {
  const usable = list.filter((host) => !isLinkLocal(host.address))
  const found = usable.find((host) => !isLoopback(host.address)) ?? usable[0] ?? list[0]
  return { kind: 'text', text: found?.address ?? '' }
}

const SET_ASIDE = '6890'

function privateOnes(interfaces: readonly HostInterface[]): readonly HostInterface[] {
  const found = select(select(interfaces, 'rfc', SET_ASIDE), 'flags', 'forwardable')
  return sorted(found, 'default,type')
}

function publicOnes(interfaces: readonly HostInterface[]): readonly HostInterface[] {
  const isSetAside = selector('rfc', SET_ASIDE)
  const found = select(interfaces, 'flags', 'forwardable').filter((host) => !isSetAside(host))
  return sorted(found, 'default,type')
}

function select(
  list: readonly HostInterface[],
  name: string,
  parameter: string,
): readonly HostInterface[] {
  return list.filter(selector(name, parameter))
}

function ofInterface(
  name: string,
  parameters: readonly Word[],
  interfaces: readonly HostInterface[],
): readonly HostInterface[] {
  const [wanted] = parameters
  if (wanted === undefined || !wanted.isQuoted) {
    throw new TemplateProblem(`${name} needs the name of an interface in quotes`)
  }
  const own = interfaces.filter((host) => host.name === wanted.text)
  if (own.length > 0) return own
  const names = [...new Set(interfaces.map((host) => host.name))].join(', ')
  throw new TemplateProblem(`there is no interface "${wanted.text}" (there are: ${names})`)
}

const PARAMETERS: Readonly<Record<string, number>> = {
  attr: 1,
  exclude: 2,
  include: 2,
  join: 2,
  limit: 1,
  math: 2,
  offset: 1,
  sort: 1,
  unique: 1,
}

/** @throws TemplateProblem */
function filtered(value: Value, name: string, words: readonly Word[]): Value {
  const count = Object.hasOwn(PARAMETERS, name) ? PARAMETERS[name] : undefined
  if (count === undefined) {
    const known = Object.keys(PARAMETERS).join(', ')
    throw new TemplateProblem(`the filter ${name} is not supported (there are: ${known})`)
  }
  if (words.length !== count) {
    throw new TemplateProblem(`${name} takes ${count} parameters, got ${words.length}`)
  }
  if (value.kind === 'text') {
    throw new TemplateProblem(`${name} takes addresses, but what stands before it is a text`)
  }
  const { list } = value
  const [first = '', second = ''] = words.map((word) => word.text)
  switch (name) {
    case 'include':
      return addresses(select(list, first, second))
    case 'exclude': {
      const isOut = selector(first, second)
      return addresses(list.filter((host) => !isOut(host)))
    }
    case 'sort':
      return addresses(sorted(list, first))
    case 'unique':
      return addresses(unique(list, first))
    case 'limit':
      return addresses(list.slice(0, wholeNumber(name, first)))
    case 'offset':
      return addresses(list.slice(wholeNumber(name, first)))
    case 'math':
      return addresses(list.map((host) => computed(host, first, second)))
    case 'join':
      return { kind: 'text', text: list.map((host) => attribute(host, first)).join(second) }
    default: {
      const [host] = list
      return { kind: 'text', text: host === undefined ? '' : attribute(host, first) }
    }
  }
}

/** Behind zero an offset counts from the end; a limit may not. */
function wholeNumber(filter: string, text: string): number {
  const value = Number(text)
  const isGood = /^-?[0-9]{1,6}$/.test(text) && (filter === 'offset' || value >= 0)
  if (!isGood) throw new TemplateProblem(`${filter} takes a whole number, got "${text}"`)
  return value
}
