/**
 * The agent's configuration from its flags and files, in Consul's order of precedence
 * (agent-config.md section 2), with every problem of every source together.
 *
 * Order: defaults; list-valued flags; files as given; scalar flags; `-hcl` fragments. Used by `agent` at
 * start and at each reload, and by `validate`.
 */

import { type ConfiguredDefinitions, definitionsFromConfig } from '../../agent/local/definitions.ts'
import { assertRunnable, type ScriptPermission } from '../../agent/local/script-permission.ts'
import type { JsonObject } from '../../core/catalog/types.ts'
import { type Decoded, decodeDocument, decodeText } from '../../core/config/decode.ts'
import { AGENT_FLAGS, type AgentFlag } from '../../core/config/flags.ts'
import type { AgentConfig } from '../../core/config/model.ts'
import type { ConfigProblem } from '../../core/config/problem.ts'
import { type Definition, mergeConfigs, type RawConfig } from '../../core/config/raw-config.ts'
import { type HostFacts, resolveConfig } from '../../core/config/resolve.ts'
import { toFairleadError } from '../../core/errors.ts'
import { type FileFormat, readConfigFiles } from '../../runtime/files/config-files.ts'
import type { Arguments } from '../command.ts'
import { type BootstrapEntry, bootstrapEntryOf } from './bootstrap-entries.ts'

export interface ConfigSources {
  readonly dev: boolean
  readonly flags: Arguments
  /** Files and folders, in the order given. */
  readonly paths: readonly string[]
  readonly format: FileFormat | undefined
  readonly fragments: readonly string[]
}

export interface LoadedConfig {
  readonly config: AgentConfig
  readonly definitions: ConfiguredDefinitions
  readonly warnings: readonly string[]
  readonly entries: readonly BootstrapEntry[]
  /** As it was written, merged. */
  readonly raw: RawConfig
}

export type LoadResult =
  | { readonly ok: true; readonly loaded: LoadedConfig }
  | {
      readonly ok: false
      readonly problems: readonly ConfigProblem[]
      readonly warnings: readonly string[]
    }

export async function loadConfig(sources: ConfigSources, host: HostFacts): Promise<LoadResult> {
  const files = await readConfigFiles(sources.paths, sources.format)
  const isList = (flag: AgentFlag): boolean => flag.kind === 'list'
  const parts: readonly Decoded[] = [
    ...decodeFlags(sources.flags, isList),
    ...files.files.map((file) => decodeDocument(file.text, file.format, file.path)),
    ...decodeFlags(sources.flags, (flag) => !isList(flag)),
    ...sources.fragments.map((text) => decodeDocument(text, 'hcl', 'flag -hcl')),
  ]
  const raw: RawConfig = mergeConfigs(parts.map((part) => part.raw))
  const resolved = resolveConfig(raw, sources.dev, host)
  const definitions = decodeDefinitions(resolved.services, resolved.checks, resolved.config.checks)
  const entries = decodeEntries(resolved.entries)
  const problems: readonly ConfigProblem[] = [
    ...files.problems.map((message) => ({ key: '', message, origin: '', fix: '' })),
    ...parts.flatMap((part) => part.problems),
    ...resolved.problems,
    ...definitions.problems,
    ...entries.problems,
  ]
  const warnings = [
    ...files.warnings,
    ...parts.flatMap((part) => part.warnings),
    ...resolved.warnings,
  ]
  if (problems.length > 0) return { ok: false, problems, warnings }
  const { config } = resolved
  return {
    ok: true,
    loaded: { config, definitions: definitions.value, entries: entries.value, warnings, raw },
  }
}

/** The message names the field and the value. */
const DEFINITION_FIX =
  'correct it; the fields are those of PUT /v1/agent/service/register and check/register, in snake_case'

function decodeFlags(args: Arguments, select: (flag: AgentFlag) => boolean): readonly Decoded[] {
  return AGENT_FLAGS.filter(select).flatMap((flag) => {
    const origin = `flag -${flag.name}`
    if (flag.key === 'node_meta') return decodeMeta(args.list(flag.name), origin)
    const values = flag.kind === 'list' ? args.list(flag.name) : [args.text(flag.name)]
    return values.flatMap((text) =>
      text === undefined ? [] : [decodeText(flag.key, text, origin)],
    )
  })
}

/** `name:value`, as Consul's flag has it. */
function decodeMeta(pairs: readonly string[], origin: string): readonly Decoded[] {
  return pairs.map((pair) => {
    const colon = pair.indexOf(':')
    const name = colon === -1 ? pair : pair.slice(0, colon)
    const value = colon === -1 ? '' : pair.slice(colon + 1)
    const entry = { value: { type: 'map' as const, value: { [name]: value } }, origin }
    return { raw: new Map([['node_meta', entry]]), problems: [], warnings: [] }
  })
}

/** One at a time, so that each problem can say where its definition stands. */
function decodeDefinitions(
  services: readonly Definition[],
  checks: readonly Definition[],
  permission: ScriptPermission,
): { readonly value: ConfiguredDefinitions; readonly problems: readonly ConfigProblem[] } {
  const problems: ConfigProblem[] = []
  const value = { services: [], checks: [] } as {
    services: ConfiguredDefinitions['services'][number][]
    checks: ConfiguredDefinitions['checks'][number][]
  }
  const decode = (definition: Definition, isService: boolean): void => {
    const { body, origin } = definition
    const result = definitionsFromConfig({
      services: isService ? [body] : [],
      checkDefinitions: isService ? [] : [body],
    })
    if (result.ok) {
      for (const message of refusedChecks(result.value, permission)) {
        problems.push({ key: 'check', message, origin, fix: '' })
      }
      value.services.push(...result.value.services)
      value.checks.push(...result.value.checks)
      return
    }
    const key = isService ? 'service' : 'check'
    for (const message of result.problems) {
      problems.push({ key, message, origin, fix: DEFINITION_FIX })
    }
  }
  for (const definition of services) decode(definition, true)
  for (const definition of checks) decode(definition, false)
  return { value, problems }
}

function decodeEntries(entries: readonly Definition[]): {
  readonly value: readonly BootstrapEntry[]
  readonly problems: readonly ConfigProblem[]
} {
  const value: BootstrapEntry[] = []
  const problems: ConfigProblem[] = []
  for (const { body, origin } of entries) {
    try {
      value.push(bootstrapEntryOf(body as JsonObject))
    } catch (thrown) {
      const key = 'config_entries.bootstrap'
      const message = `${key}: ${toFairleadError(thrown).message}`
      problems.push({ key, message, origin, fix: 'write it as for fairlead config write' })
    }
  }
  return { value, problems }
}

/** What the agent's local state would refuse when it starts, said here with all other problems. */
function refusedChecks(
  { services, checks }: ConfiguredDefinitions,
  permission: ScriptPermission,
): readonly string[] {
  const specs = [
    ...services.flatMap((service) => [...service.checks, ...(service.sidecar?.checks ?? [])]),
    ...checks.map((check) => check.spec),
  ]
  return specs.flatMap((spec) => {
    try {
      assertRunnable(spec, 'config', permission)
      return []
    } catch (thrown) {
      return [`check "${spec.name}": ${toFairleadError(thrown).message}`]
    }
  })
}
