/**
 * Query templates: one definition for all names with a prefix (http-api.md 16). Pure.
 *
 * Guarantees: rendering never throws and takes time linear in the size of the definition and of the name, whatever the
 * regular expression (RE2); a name is never taken for part of the syntax. Bound: RENDERED_SIZE_MAX characters.
 */

import { compileGroups } from '../filter/regex.ts'
import { parseTemplateText, type TemplatePart, type Variable } from './template-syntax.ts'
import {
  isTemplate,
  NAME_PREFIX_MATCH,
  type PreparedQuery,
  type PreparedQueryRecord,
  type QueryResolution,
  type QueryService,
} from './types.ts'

/** All texts of a rendered query together: a name may be put in as often as the definition has room for. */
export const RENDERED_SIZE_MAX = 64 * 1024

/** @returns why this template cannot be used, undefined when it can or is none */
export function templateProblem(query: PreparedQuery): string | undefined {
  if (!isTemplate(query)) return undefined
  const rendered = renderService(query, query.name)
  return typeof rendered === 'string' ? `failed compiling template: ${rendered}` : undefined
}

/** The query for a name; one that is no template is as it is. */
export function renderQuery(query: PreparedQueryRecord, name: string): QueryResolution {
  if (!isTemplate(query)) return { kind: 'query', query }
  const service = renderService(query, name)
  if (typeof service === 'string') return { kind: 'refused', message: service }
  return { kind: 'query', query: { ...query, service } }
}

/** @returns the reason when it cannot be rendered */
function renderService(query: PreparedQuery, name: string): QueryService | string {
  const { template } = query
  if (template.type !== NAME_PREFIX_MATCH) return `Bad Template.Type '${template.type}'`
  const groups = groupsOf(template.regexp, name)
  if (typeof groups === 'string') return groups
  const rendering = new Rendering(name, query.name, groups)
  const service = mapTexts(query.service, (text, path) => rendering.render(text, path))
  if (rendering.problem !== undefined) return rendering.problem
  if (!template.removeEmptyTags || service.tags === null) return service
  return { ...service, tags: service.tags.filter((tag) => tag !== '') }
}

function groupsOf(pattern: string, name: string): readonly string[] | string {
  if (pattern === '') return []
  const compiled = compileGroups(pattern)
  return compiled.ok ? compiled.groupsOf(name) : `Bad Regexp: ${compiled.reason}`
}

class Rendering {
  readonly #values: Readonly<Record<Variable, string>>
  readonly #groups: readonly string[]
  #left = RENDERED_SIZE_MAX
  /** The first thing that went wrong. */
  problem: string | undefined

  constructor(name: string, prefix: string, groups: readonly string[]) {
    // Names compare without case, so the prefix may be spelled otherwise in what was asked.
    const hasPrefix = name.slice(0, prefix.length).toLowerCase() === prefix.toLowerCase()
    this.#values = {
      'name.full': name,
      'name.prefix': prefix,
      'name.suffix': hasPrefix ? name.slice(prefix.length) : name,
      'agent.segment': '',
    }
    this.#groups = groups
  }

  render(text: string, path: string): string {
    if (this.problem !== undefined) return ''
    const parsed = parseTemplateText(text)
    if (!parsed.ok) {
      this.problem = `Bad format '${text}' in Service${path}: ${parsed.reason}`
      return ''
    }
    let out = ''
    for (const part of parsed.parts) {
      const value = this.#valueOf(part)
      this.#left -= value.length
      if (this.#left < 0) {
        this.problem = `Bad evaluation for Service${path}: the query is longer than ${RENDERED_SIZE_MAX} characters`
        return ''
      }
      out += value
    }
    return out
  }

  #valueOf(part: TemplatePart): string {
    switch (part.kind) {
      case 'text':
        return part.text
      case 'variable':
        return this.#values[part.name]
      case 'match':
        return this.#groups[part.group] ?? ''
    }
  }
}

type TextMapper = (text: string, path: string) => string

/** Every text of the definition; keys of maps stay as they are. */
function mapTexts(service: QueryService, map: TextMapper): QueryService {
  const { failover } = service
  const list = (texts: readonly string[] | null, path: string): readonly string[] | null =>
    texts?.map((text, i) => map(text, `${path}[${i}]`)) ?? null
  return {
    ...service,
    service: map(service.service, '.Service'),
    failover: {
      nearestN: failover.nearestN,
      datacenters: list(failover.datacenters, '.Failover.Datacenters'),
      targets:
        failover.targets?.map(({ peer, datacenter }, i) => ({
          peer: map(peer, `.Failover.Targets[${i}].Peer`),
          datacenter: map(datacenter, `.Failover.Targets[${i}].Datacenter`),
        })) ?? null,
    },
    ignoreCheckIds: list(service.ignoreCheckIds, '.IgnoreCheckIDs'),
    near: map(service.near, '.Near'),
    tags: list(service.tags, '.Tags'),
    nodeMeta: mapValues(service.nodeMeta, '.NodeMeta', map),
    serviceMeta: mapValues(service.serviceMeta, '.ServiceMeta', map),
  }
}

function mapValues(
  values: QueryService['nodeMeta'],
  path: string,
  map: TextMapper,
): QueryService['nodeMeta'] {
  if (values === null) return null
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, map(value, `${path}[${key}]`)]),
  )
}
