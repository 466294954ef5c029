/**
 * The logger's two forms, its levels and what it does when the reader is slow.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import { createLogger, type LogSink } from '../../../../runtime/log/pino-logger.ts'

const WALL = Date.UTC(2026, 0, 10, 12, 0, 0)

class MemorySink implements LogSink {
  readonly lines: string[] = []
  dropped = 0
  write(line: string): void {
    this.lines.push(line)
  }
  takeDropped(): number {
    const count = this.dropped
    this.dropped = 0
    return count
  }
  async flush(): Promise<void> {}
}

function logger(json: boolean, level: 'trace' | 'info' | 'warn' = 'trace') {
  const sink = new MemorySink()
  const log = createLogger({ level, json }, { clock: new ManualClock({ wall: WALL }), sink })
  return { sink, log }
}

describe('logger', () => {
  it('prints one line per record in the human form', () => {
    const { sink, log } = logger(false)
    log.child('server').child('raft').info('became leader', { term: 2, node: 'vm a' })
    log.warn('no facts')
    assert.deepEqual(sink.lines, [
      '2026-01-10T12:00:00.000Z [INFO]  agent.server.raft: became leader: term=2 node="vm a"\n',
      '2026-01-10T12:00:00.000Z [WARN]  agent: no facts\n',
    ])
  })

  it('prints JSON with the keys that log shippers know', () => {
    const { sink, log } = logger(true)
    log.child('raft').error('disk failed', { index: 7 })
    assert.deepEqual(JSON.parse(sink.lines[0] ?? ''), {
      '@level': 'error',
      '@timestamp': '2026-01-10T12:00:00.000Z',
      '@module': 'agent.raft',
      index: 7,
      '@message': 'disk failed',
    })
  })

  it('prints the message of an error', () => {
    const { sink, log } = logger(false)
    log.error('sync failed', { err: new Error('no leader') })
    assert.match(sink.lines[0] ?? '', /agent: sync failed: err="no leader"\n$/)
  })

  it('changes the level of every child while running', () => {
    const { sink, log } = logger(false, 'warn')
    const child = log.child('dns')
    child.info('hidden')
    log.level = 'info'
    child.info('shown')
    assert.equal(sink.lines.length, 1)
  })

  it('never lets a value forge a line or drive the terminal', () => {
    const { sink, log } = logger(false)
    log.info('got', { name: 'a\n2026 [ERROR] forged \u001b[31m', quote: 'say "hi"' })
    const line = sink.lines[0] ?? ''
    assert.equal(line.indexOf('\n'), line.length - 1)
    assert.ok(!line.includes('\u001b'))
    assert.match(line, /quote="say \\"hi\\""/)
  })

  it('hides secrets', () => {
    const { sink, log } = logger(true)
    log.info('registered', { token: 's3cret', check: { token: 's3cret' } })
    assert.ok(!sink.lines.join('').includes('s3cret'))
  })

  it('reports lines that were dropped once there is room again', () => {
    const { sink, log } = logger(false)
    sink.dropped = 3
    log.info('next')
    assert.match(sink.lines[0] ?? '', /log lines were dropped: dropped=3/)
    assert.match(sink.lines[1] ?? '', /next/)
  })

  it('gives followers their own level and form, beside what is printed', () => {
    const { sink, log } = logger(false, 'warn')
    const seen: string[] = []
    const json: string[] = []
    const end = log.follow({ level: 'debug', json: false, write: (line) => seen.push(line) })
    log.follow({ level: 'error', json: true, write: (line) => json.push(line) })
    const raft = log.child('raft')
    raft.trace('a')
    raft.debug('b')
    raft.warn('c')
    raft.error('d')
    assert.deepEqual(
      seen.map((line) => line.slice(25)),
      ['[DEBUG] agent.raft: b\n', '[WARN]  agent.raft: c\n', '[ERROR] agent.raft: d\n'],
    )
    assert.deepEqual(
      sink.lines.map((line) => line.slice(25)),
      ['[WARN]  agent.raft: c\n', '[ERROR] agent.raft: d\n'],
    )
    assert.equal(json.length, 1)
    assert.equal(JSON.parse(json[0] ?? '')['@message'], 'd')
    end()
    raft.debug('e')
    assert.equal(seen.length, 3)
    log.level = 'info'
    raft.info('f')
    assert.equal(sink.lines.length, 3)
  })
})
