/**
 * Reads the text format of Prometheus (version 0.0.4) and refuses whatever a strict reader would.
 *
 * Written from the format's description, not from what the product writes: each metric has one HELP and one TYPE
 * before its samples, its lines stand together, no series comes twice, a summary has quantiles, sum and count.
 */

import assert from 'node:assert/strict'

export interface PrometheusSample {
  readonly name: string
  readonly labels: ReadonlyMap<string, string>
  readonly value: number
}

export interface PrometheusMetric {
  readonly type: string
  readonly help: string
  readonly samples: readonly PrometheusSample[]
}

interface Open {
  readonly name: string
  readonly help: string
  type: string
  readonly samples: PrometheusSample[]
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
const LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/
const TYPES = ['counter', 'gauge', 'summary', 'histogram', 'untyped']
const NUMBER = /^(?:NaN|[+-]Inf|[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)$/i

/** @throws AssertionError with the line that is wrong */
export function parsePrometheus(text: string): ReadonlyMap<string, PrometheusMetric> {
  assert.ok(text === '' || text.endsWith('\n'), 'the last line must end')
  const metrics = new Map<string, Open>()
  const seen = new Set<string>()
  let open: Open | undefined
  for (const line of text.split('\n').slice(0, -1)) {
    const where = JSON.stringify(line)
    const help = /^# HELP (\S+) ?(.*)$/.exec(line)
    const type = /^# TYPE (\S+) (\S+)$/.exec(line)
    if (help !== null) {
      const [, name = '', said = ''] = help
      assert.match(name, NAME, where)
      assert.ok(!metrics.has(name), `told twice: ${where}`)
      assert.ok(!/\\[^\\n]|(?:^|[^\\])(?:\\\\)*\\$/.test(said), `wrong escape: ${where}`)
      open = { name, help: said, type: '', samples: [] }
      metrics.set(name, open)
    } else if (type !== null) {
      assert.equal(type[1], open?.name, `TYPE without its HELP: ${where}`)
      assert.ok(open !== undefined && open.type === '' && open.samples.length === 0, where)
      assert.ok(TYPES.includes(type[2] ?? ''), where)
      open.type = type[2] ?? ''
    } else {
      assert.ok(!line.startsWith('#') && line !== '', `neither comment nor sample: ${where}`)
      const sample = readSample(line)
      assert.ok(open !== undefined && open.type !== '', `a sample before its TYPE: ${where}`)
      assert.ok(belongs(sample, open), `not of ${open.name}: ${where}`)
      const key = JSON.stringify([sample.name, ...[...sample.labels].sort()])
      assert.ok(!seen.has(key), `a series twice: ${where}`)
      seen.add(key)
      open.samples.push(sample)
    }
  }
  for (const metric of metrics.values()) {
    assert.ok(metric.samples.length > 0, `${metric.name} has no samples`)
  }
  return metrics
}

function belongs({ name, labels, value }: PrometheusSample, open: Open): boolean {
  if (open.type === 'counter') return name === open.name && value >= 0
  if (open.type !== 'summary') return name === open.name
  if (name !== open.name) return name === `${open.name}_sum` || name === `${open.name}_count`
  const quantile = Number(labels.get('quantile') ?? Number.NaN)
  return quantile >= 0 && quantile <= 1
}

function readSample(line: string): PrometheusSample {
  const where = JSON.stringify(line)
  const name = /^[a-zA-Z_:][a-zA-Z0-9_:]*/.exec(line)?.[0]
  assert.ok(name !== undefined, `no name: ${where}`)
  let at = name.length
  const labels = new Map<string, string>()
  if (line[at] === '{') {
    at++
    while (line[at] !== '}') {
      const equals = line.indexOf('="', at)
      assert.ok(equals > at, `no label: ${where}`)
      const label = line.slice(at, equals)
      assert.match(label, LABEL, where)
      assert.ok(!labels.has(label), `a label twice: ${where}`)
      const [value, end] = readQuoted(line, equals + 2)
      labels.set(label, value)
      at = end
      assert.ok(line[at] === ',' || line[at] === '}', `after a label: ${where}`)
      if (line[at] === ',') at++
    }
    at++
  }
  assert.equal(line[at], ' ', where)
  const number = line.slice(at + 1)
  assert.match(number, NUMBER, where)
  return { name, labels, value: Number(number.replace(/Inf$/i, 'Infinity')) }
}

function readQuoted(line: string, from: number): readonly [string, number] {
  let value = ''
  for (let at = from; at < line.length; at++) {
    const character = line[at]
    if (character === '"') return [value, at + 1]
    if (character !== '\\') {
      value += character
      continue
    }
    at++
    const escaped = { '\\': '\\', '"': '"', n: '\n' }[line[at] ?? '']
    assert.ok(escaped !== undefined, `wrong escape: ${JSON.stringify(line)}`)
    value += escaped
  }
  return assert.fail(`a value without an end: ${JSON.stringify(line)}`)
}
