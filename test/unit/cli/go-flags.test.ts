/**
 * Flags parse as Consul's do: one dash or two, values after a blank or `=`, stop at the first argument.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { flag, listFlag, toggle, UsageError } from '../../../cli/command.ts'
import { parseGoFlags, unknownFlagMessage } from '../../../cli/go-flags.ts'

const SPECS = [
  toggle('dev', ''),
  flag('node', 'name', ''),
  listFlag('meta', 'k=v', ''),
  listFlag('x', 'v', ''),
]

const parse = (...argv: string[]) => parseGoFlags(argv, SPECS)

describe('flags', () => {
  it('take one dash or two, a value after a blank or an equals sign', () => {
    for (const argv of [['-node', 'a'], ['--node', 'a'], ['-node=a'], ['--node=a']]) {
      assert.equal(parse(...argv).args.text('node'), 'a', argv.join(' '))
    }
  })

  it('of type bool take a value only after an equals sign', () => {
    const { args } = parse('-dev', 'false')
    assert.equal(args.bool('dev'), true)
    assert.deepEqual(args.positionals, ['false'])
    assert.equal(parse('-dev=false').args.bool('dev'), false)
    assert.match(parse('-dev=maybe').problems[0] ?? '', /-dev takes true or false, got "maybe"/)
  })

  it('end at the first argument, at "-" and at "--"', () => {
    assert.deepEqual(parse('-dev', 'key', '-5', 'a').args.positionals, ['key', '-5', 'a'])
    assert.deepEqual(parse('-').args.positionals, ['-'])
    assert.deepEqual(parse('--', '-dev').args.positionals, ['-dev'])
  })

  it('after the arguments are a problem, unless -- says that they are data', () => {
    assert.match(parse('key', '-node').problems[0] ?? '', /^-node stands after the arguments/)
    assert.deepEqual(parse('--', 'key', '-node').problems, [])
  })

  it('may be empty, repeated, and hold an equals sign', () => {
    const { args } = parse('-node=', '-meta', 'a=1', '-meta=b=2=3', '-node', 'last')
    assert.equal(args.text('node'), 'last')
    assert.deepEqual(args.map('meta'), { a: '1', b: '2=3' })
    assert.throws(() => parse('-meta', 'plain').args.map('meta'), UsageError)
  })

  it('keep the order across names', () => {
    const { args } = parse('-x', '1', '-meta', 'a=2', '-x', '3')
    assert.deepEqual(args.ordered(['x', 'meta']), ['1', 'a=2', '3'])
  })

  it('collect every unknown flag and every missing value', () => {
    const parsed = parse('-nod', '-bogus=1', '-node')
    assert.deepEqual(parsed.unknown, ['-nod', '-bogus'])
    assert.deepEqual(parsed.problems, ['-node needs a value: -node <name>'])
    assert.equal(
      unknownFlagMessage('-nod', ['node', 'dev']),
      'unknown flag -nod; did you mean -node?',
    )
  })

  it('know help unless a command has such a flag', () => {
    assert.equal(parse('-h').wantsHelp, true)
    assert.equal(parse('--help').wantsHelp, true)
  })
})
