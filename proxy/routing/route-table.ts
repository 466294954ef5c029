/**
 * Which route a request takes, and which leg of it (mesh.md 7.4, 9.7, 10.8).
 *
 * Compiled once for each configuration; a request then costs one look at its head and a few comparisons. The
 * first route that matches decides. A regular expression matches the whole text and cannot blow up (text-test.ts). Paths are compared in normal form.
 */

import type {
  NamedMatch,
  RequestMatch,
  RouteSpec,
  SplitSpec,
  TextMatch,
} from '../../core/mesh/proxy-snapshot.ts'
import { TokenBucket } from '../../core/resilience/token-bucket.ts'
import type { Rng } from '../../core/rng.ts'
import type { Clock } from '../../core/time.ts'
import type { RequestHead } from '../http1/message.ts'
import { RequestView } from '../http1/request-view.ts'
import { mayNeedNormalising, normaliseTarget, pathOf } from '../http1/target.ts'
import { FaultPolicy } from './fault-policy.ts'
import { HeadEdits, withTarget } from './head-edits.ts'
import { MirrorPolicy } from './mirror-policy.ts'
import { RetryPolicy } from './retry-policy.ts'
import { regexTest, type TextTest, textTest } from './text-test.ts'

type RouteClock = Pick<Clock, 'now' | 'wall'>
type Test = (view: RequestView, path: string) => boolean

/** Where a request goes once its head has been changed for it. */
export interface Leg {
  readonly clusterId: string
  readonly failover: readonly string[]
  /** Of its route, for figures and logs. */
  readonly routeName: string
}

/** What takes whatever nothing else takes. */
export const DEFAULT_ROUTE = 'default'

interface CompiledLeg extends Leg {
  readonly weight: number
  readonly request: HeadEdits | undefined
  readonly response: readonly HeadEdits[]
}

interface CompiledRoute {
  readonly spec: RouteSpec
  readonly tests: readonly Test[]
  readonly legs: readonly CompiledLeg[]
  readonly weights: number
  readonly request: HeadEdits | undefined
  readonly retry: RetryPolicy | undefined
  readonly fault: FaultPolicy | undefined
  readonly mirrors: MirrorPolicy | undefined
  readonly limit: TokenBucket | undefined
  readonly sources: ReadonlySet<string> | undefined
}

export class RouteTable {
  readonly #routes: readonly CompiledRoute[]
  readonly #rng: Rng
  readonly #clock: RouteClock

  constructor(routes: readonly RouteSpec[], rng: Rng, clock: RouteClock) {
    this.#routes = routes.map((spec) => compileRoute(spec, rng, clock))
    this.#clock = clock
    this.#rng = rng
  }

  /** Changes the head for the route taken. @param source service that calls. @returns undefined when none matches */
  take(head: RequestHead, source = ''): Leg | undefined {
    const view = new RequestView(head.text)
    const target = normalTarget(view)
    const path = pathOf(target)
    for (const route of this.#routes) {
      if (route.sources?.has(source) === false) continue
      if (!matchesAll(route.tests, view, path)) continue
      const leg = this.#legOf(route)
      if (leg === undefined) return undefined
      rewrite(head, route, target)
      // Those of the leg before those of the route: what the route says last, holds.
      if (leg.request !== undefined) head.text = leg.request.apply(head.text)
      if (route.request !== undefined) head.text = route.request.apply(head.text)
      head.responseEdits = leg.response.length === 0 ? undefined : leg.response
      head.responseTimeoutMs = route.spec.requestTimeoutMs
      head.retry = route.retry
      head.perTryTimeoutMs = route.spec.perTryTimeoutMs
      head.hedge = route.spec.hedge
      if (route.limit?.take(this.#clock.now()) === false) {
        head.isTooMany = true
        return leg
      }
      if (route.mirrors !== undefined) head.mirrors = route.mirrors.draw()
      if (route.fault !== undefined) head.fault = route.fault.draw(view)
      return leg
    }
    return undefined
  }

  #legOf({ legs, weights }: CompiledRoute): CompiledLeg | undefined {
    if (legs.length <= 1) return legs[0]
    let at = this.#rng.float() * weights
    for (const leg of legs) {
      at -= leg.weight
      if (at < 0) return leg
    }
    return legs.at(-1)
  }
}

/** A target that cannot be normalised is taken as it is. */
function normalTarget({ path, target }: RequestView): string {
  return mayNeedNormalising(path) ? (normaliseTarget(target) ?? target) : target
}

function matchesAll(tests: readonly Test[], view: RequestView, path: string): boolean {
  for (let i = 0; i < tests.length; i++) if (!(tests[i] as Test)(view, path)) return false
  return true
}

function compileRoute(spec: RouteSpec, rng: Rng, clock: RouteClock): CompiledRoute {
  const response = HeadEdits.of(spec.responseHeaders)
  const name = routeName(spec.match)
  const legs = spec.splits.map((split) => compileLeg(split, name, response))
  return {
    spec,
    tests: testsOf(spec.match),
    legs,
    weights: legs.reduce((sum, leg) => sum + leg.weight, 0),
    request: HeadEdits.of(spec.requestHeaders),
    retry: spec.retry === undefined ? undefined : new RetryPolicy(spec.retry, rng),
    limit: spec.rateLimit === undefined ? undefined : new TokenBucket(spec.rateLimit, clock.now()),
    sources: spec.match.sources === undefined ? undefined : new Set(spec.match.sources),
    mirrors: spec.mirrors === undefined ? undefined : new MirrorPolicy(spec.mirrors, rng),
    fault:
      spec.fault === undefined ? undefined : new FaultPolicy(spec.fault, rng, () => clock.wall()),
  }
}

/** `/api*` for a prefix, `=/api` for a path, `~…` for an expression; DEFAULT_ROUTE when it looks at no path. */
function routeName({ path, methods, headers, query }: RequestMatch): string {
  const isPlain = methods.length === 0 && headers.length === 0 && query.length === 0
  const more = isPlain ? '' : '+'
  if (path === undefined || (path.kind === 'prefix' && path.value === '/')) {
    return isPlain ? DEFAULT_ROUTE : `*${more}`
  }
  if (path.kind === 'prefix') return `${path.value}*${more}`
  return `${path.kind === 'regex' ? '~' : '='}${path.value}${more}`
}

function compileLeg(
  split: SplitSpec,
  name: string,
  routeResponse: HeadEdits | undefined,
): CompiledLeg {
  const own = HeadEdits.of(split.responseHeaders)
  return {
    clusterId: split.clusterId,
    failover: split.failover,
    routeName: name,
    weight: split.weight,
    request: HeadEdits.of(split.requestHeaders),
    response: [own, routeResponse].filter((edits) => edits !== undefined),
  }
}

function testsOf(match: RequestMatch): readonly Test[] {
  const tests: Test[] = []
  const { methods, ignoreCase } = match
  if (methods.length > 0) {
    const allowed = new Set(methods)
    tests.push((view) => allowed.has(view.method))
  }
  if (match.path !== undefined) {
    const test = pathTest(match.path, ignoreCase)
    tests.push((_view, path) => test(path))
  }
  for (const header of match.headers) {
    tests.push(namedTest(header, (view) => view.header(header.name)))
  }
  for (const parameter of match.query) {
    tests.push(namedTest(parameter, (view) => view.query(parameter.name)))
  }
  return tests
}

function pathTest(match: TextMatch, ignoreCase: boolean): TextTest {
  if (!ignoreCase) return textTest(match)
  if (match.kind === 'regex') return regexTest(`(?i:${match.value})`)
  const test = textTest({ ...match, value: match.value.toLowerCase() })
  return (path) => test(path.toLowerCase())
}

/** What is absent matches only an inverted question for its presence. */
function namedTest(match: NamedMatch, read: (view: RequestView) => string | undefined): Test {
  const { invert } = match
  if (match.kind === 'present') return (view) => (read(view) !== undefined) !== invert
  const test = textTest(match)
  return (view) => {
    const value = read(view)
    return value !== undefined && test(value) !== invert
  }
}

/** What the match took is replaced in the form in which it matched. */
function rewrite(head: RequestHead, { spec }: CompiledRoute, target: string): void {
  const { path } = spec.match
  if (spec.prefixRewrite === '' || path === undefined || path.kind === 'regex') return
  const end = path.kind === 'exact' ? pathOf(target).length : path.value.length
  head.text = withTarget(head.text, spec.prefixRewrite + target.slice(end))
}
