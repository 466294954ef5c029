/**
 * Runs one scenario: commands in, lines of text out (verification, section 18).
 *
 * A file is a list of `> command` lines, each followed by what it is to print, up to the next command, a
 * comment (`#`) or a blank line. The whole behaviour is pinned, also what nobody thought of asserting; what a
 * change alters is reviewed as a diff of the file.
 *
 *   nodes a b c [learners=d] [empty=d] [a=1,1,2] [commit.a=2] [term.a=3] [election=10] [grace] [option=value]
 *   tick a 10 | campaign a | propose a x y | read a r1 [lease] | transfer a [b] | stalled a | unreachable a b
 *   conf a voter d | learner d | remove b | address b host:1 [force]
 *   conf a joint voter:d remove:b [auto] | conf a leave
 *   pull a [keep-news] | write a | apply a | deliver [a>b] [kind] [drop|copy]
 *   inject <a message as JSON>: chains named after a server are taken from its log
 *   offer a c | image c received|abandoned | report a c ok|failed
 *   snapshot a, compacted a 2: the two halves of `compact a 2`
 *   compact a 5 | crash a | restart a [nograce] | damage a 3 | forget a 3
 *   quiet <any command>: the same without a word
 *   stabilize [a b] [no-writes=a] | cut a c | join | state | log a | disk a | peers a | config a
 */

import { compareIds } from '../../../core/raft/configuration.ts'
import type { RaftMark } from '../../../core/raft/marks.ts'
import type { RaftMessage } from '../../../core/raft/messages.ts'
import type { Batch, RaftInput } from '../../../core/raft/types.ts'
import { serverId } from '../../../core/raft/types.ts'
import {
  printConfiguration,
  printEntries,
  printEntry,
  printJob,
  printMessage,
  printOutcome,
  printPeer,
  printPosition,
  printSnapshot,
} from './print.ts'
import { ScenarioServer } from './scenario-server.ts'
import {
  configurationOf,
  logOf,
  numberOf,
  optionsOf,
  pair,
  parseChange,
  persisted,
} from './setup.ts'

const ROUNDS_MAX = 100

export class Scenario {
  readonly #servers = new Map<string, ScenarioServer>()
  readonly #onMark: (name: RaftMark) => void
  #network: RaftMessage[] = []
  #cuts = new Set<string>()
  #out: string[] = []

  constructor(onMark: (name: RaftMark) => void = () => {}) {
    this.#onMark = onMark
  }

  /** @returns what the command prints */
  run(line: string): readonly string[] {
    this.#out = []
    const [command = '', ...args] = line.trim().split(/\s+/)
    if (command !== 'quiet') {
      this.#execute(command, args)
      return this.#out
    }
    this.#execute(args[0] ?? '', args.slice(1))
    return []
  }

  #execute(command: string, args: readonly string[]): void {
    const [first = '', second = ''] = args
    switch (command) {
      case 'nodes':
        this.#nodes(args)
        return
      case 'tick':
        for (let i = 0; i < Number(second || 1); i++) this.#input(first, { kind: 'tick' })
        this.#role(first)
        return
      case 'campaign':
        this.#input(first, { kind: 'campaign' })
        this.#role(first)
        return
      case 'propose':
        this.#input(first, {
          kind: 'propose',
          proposals: args.slice(1).map((text) => ({ type: 'normal', data: Buffer.from(text) })),
        })
        return
      case 'conf':
        this.#input(first, { kind: 'propose-config', change: parseChange(args.slice(1)) })
        return
      case 'read':
        this.#input(first, {
          kind: 'read-index',
          context: second,
          mode: args[2] === 'lease' ? 'lease' : 'quorum',
        })
        return
      case 'transfer':
        this.#input(first, {
          kind: 'transfer',
          target: second === '' ? null : serverId(second),
        })
        return
      case 'stalled':
        this.#input(first, { kind: 'stalled' })
        return
      case 'unreachable':
        this.#input(first, { kind: 'unreachable', peer: serverId(second) })
        return
      case 'fail-storage':
        this.#input(first, { kind: 'storage-failed', reason: 'the disk is gone' })
        return
      case 'pull':
        this.#pull(this.#server(first), args.slice(1))
        return
      case 'write':
        this.#write(this.#server(first))
        return
      case 'apply':
        this.#apply(this.#server(first))
        return
      case 'deliver':
        this.#deliver(args)
        return
      case 'offer':
        this.#offer(this.#server(first), second)
        return
      case 'image':
        this.#image(this.#server(first), second)
        return
      case 'report':
        this.#input(first, {
          kind: 'snapshot-report',
          peer: serverId(second),
          ok: args[2] === 'ok',
        })
        return
      case 'inject':
        this.#inject(args.join(' '))
        return
      case 'compact':
        this.#server(first).takeSnapshot()
        this.#server(first).compact(Number(second))
        return
      case 'snapshot':
        this.#server(first).takeSnapshot()
        return
      case 'compacted':
        this.#server(first).compact(Number(second))
        return
      case 'crash':
        this.#server(first).crash()
        return
      case 'restart':
        this.#server(first).crash()
        this.#server(first).start({ grace: second !== 'nograce' })
        return
      case 'damage':
        this.#server(first).damage(Number(second))
        return
      case 'forget':
        this.#server(first).forget(Number(second))
        return
      case 'stabilize':
        this.#stabilize(args)
        return
      case 'cut':
        this.#cuts.add(`${first}>${second}`)
        this.#cuts.add(`${second}>${first}`)
        return
      case 'join':
        this.#cuts = new Set()
        return
      case 'state':
        this.#state()
        return
      case 'log':
        this.#log(this.#server(first))
        return
      case 'disk':
        this.#disk(this.#server(first))
        return
      case 'peers':
        for (const [id, peer] of this.#server(first).core.peers) this.#say(printPeer(id, peer))
        return
      case 'config': {
        const { configuration, configurationIndex } = this.#server(first).core
        this.#say(`${configurationIndex}: ${printConfiguration(configuration)}`)
        return
      }
      default:
        throw new Error(`no command "${command}"`)
    }
  }

  #nodes(args: readonly string[]): void {
    const settings = new Map(args.filter((a) => a.includes('=')).map((a) => pair(a, '=')))
    const voters = args.filter((a) => !a.includes('=') && a !== 'grace')
    const listOf = (key: string): string[] => settings.get(key)?.split(',') ?? []
    const learners = listOf('learners')
    const empty = listOf('empty')
    const first = configurationOf(voters, learners, listOf('joint'))
    for (const id of [...voters, ...learners, ...empty]) {
      const disk = empty.includes(id)
        ? persisted([], {})
        : persisted(logOf(first, (settings.get(id) ?? '1').split(',').map(Number)), {
            ...numberOf(settings, `commit.${id}`, 'commit'),
            ...numberOf(settings, `term.${id}`, 'term'),
          })
      const server = new ScenarioServer(id, disk, optionsOf(settings), this.#onMark)
      this.#servers.set(id, server)
      server.start({ grace: args.includes('grace') })
    }
  }

  #input(id: string, input: RaftInput): void {
    const text = printOutcome(this.#server(id).core.handle(input))
    if (text !== null) this.#say(text)
  }

  #role(id: string): void {
    const { core } = this.#server(id)
    this.#say(`${id} ${core.role} t${core.term}`)
  }

  #pull(server: ScenarioServer, options: readonly string[]): void {
    const batch = server.core.pull({ keepCommitNews: options.includes('keep-news') })
    if (batch === null) {
      this.#say('nothing')
      return
    }
    this.#take(server, batch)
  }

  #take(server: ScenarioServer, batch: Batch): void {
    const { id } = server
    if (batch.job !== null) this.#say(`${id} to write: ${printJob(batch.job)}`)
    const held = batch.messagesAfterAppend.length
    this.#send(server.take(batch))
    const waiting = server.held.length
    if (held > 0 && waiting > 0) this.#say(`${id} holds ${waiting} until written`)
    if (batch.restore !== null) this.#say(`${id} to restore: ${printSnapshot(batch.restore)}`)
    if (batch.committed.length > 0) this.#say(`${id} to apply: ${printEntries(batch.committed)}`)
    for (const read of batch.reads) this.#say(`${id} read ${read.context} at ${read.index}`)
    for (const context of batch.readsFailed) this.#say(`${id} read ${context} failed`)
    for (const peer of batch.snapshotsWanted) this.#say(`${id} to send an image to ${peer}`)
    if (batch.snapshotOffered !== null) {
      const { from, snapshot } = batch.snapshotOffered
      this.#say(`${id} wants from ${from}: ${printSnapshot(snapshot)}`)
    }
  }

  #write(server: ScenarioServer): void {
    const messages = server.finishWrite()
    this.#say(`${server.id} wrote`)
    this.#send(messages)
  }

  #apply(server: ScenarioServer): void {
    const { restored, applied } = server.apply()
    if (restored !== null) this.#say(`${server.id} restored ${printPosition(restored)}`)
    if (applied.length > 0) this.#say(`${server.id} applied to ${applied.at(-1)?.index}`)
  }

  #deliver(args: readonly string[]): void {
    const isDrop = args.includes('drop')
    const isCopy = args.includes('copy')
    const [route, kind] = [args.find((a) => a.includes('>')), args.find((a) => isKind(a))]
    const wanted = this.#network.filter((message) => {
      const isOnRoute = route === undefined || route === `${message.from}>${message.to}`
      return isOnRoute && (kind === undefined || kind === message.kind)
    })
    if (wanted.length === 0) this.#say('nothing')
    if (!isCopy) this.#network = this.#network.filter((message) => !wanted.includes(message))
    for (const message of wanted) {
      if (isDrop) this.#say(`dropped ${printMessage(message)}`)
      else this.#hand(message)
    }
  }

  #hand(message: RaftMessage): void {
    const target = this.#servers.get(message.to)
    if (target?.isUp === true) target.core.handle({ kind: 'receive', message })
  }

  #inject(json: string): void {
    const message: RaftMessage = JSON.parse(json, (key, value: unknown) =>
      this.#meaning(key, value),
    )
    this.#say(printMessage(message))
    this.#hand(message)
  }

  /** `"prevChain": "a"` is the end of the log of a, `"entries": "a 2 3"` are entries 2 and 3 of it. */
  #meaning(key: string, value: unknown): unknown {
    if (typeof value !== 'string') return value
    if (key === 'prevChain') return this.#server(value).core.last.chain
    if (key !== 'entries') return value
    const [id = '', ...indexes] = value.split(' ')
    return indexes.map((index) => this.#server(id).written(Number(index)))
  }

  #send(messages: readonly RaftMessage[]): void {
    for (const message of messages) {
      const isLost = this.#cuts.has(`${message.from}>${message.to}`)
      this.#say(`${isLost ? 'lost ' : ''}${printMessage(message)}`)
      if (!isLost) this.#network.push(message)
    }
  }

  #offer(server: ScenarioServer, peer: string): void {
    const { snapshot } = server.core
    if (snapshot === null) throw new Error(`"${server.id}" has no image`)
    this.#send([server.core.offerOf(serverId(peer), snapshot)])
  }

  #image(server: ScenarioServer, what: string): void {
    const { offered } = server
    if (offered === null) throw new Error(`"${server.id}" was offered nothing`)
    server.offered = null
    const { snapshot } = offered
    this.#say(`${server.id} ${what} ${printSnapshot(snapshot)}`)
    const kind = what === 'received' ? 'snapshot-received' : 'snapshot-abandoned'
    server.core.handle({ kind, snapshot })
  }

  /** Everything that can happen without a tick happens, to the servers named or to all. */
  #stabilize(args: readonly string[]): void {
    const named = args.filter((arg) => !arg.includes('='))
    const slow = args.find((arg) => arg.startsWith('no-writes='))?.split('=')[1]
    const servers = [...this.#servers.values()]
      .filter((server) => named.length === 0 || named.includes(server.id))
      .sort((x, y) => compareIds(x.id, y.id))
    for (let round = 0; round < ROUNDS_MAX; round++) {
      let isQuiet = true
      for (const server of servers) {
        if (!server.isUp) continue
        if (this.#settle(server, server.id !== slow)) isQuiet = false
      }
      if (this.#handAll(servers)) isQuiet = false
      if (isQuiet) return
    }
    throw new Error(`not stable after ${ROUNDS_MAX} rounds`)
  }

  #settle(server: ScenarioServer, mayWrite: boolean): boolean {
    let hasWorked = false
    for (let batch = server.core.pull(); batch !== null; batch = server.core.pull()) {
      hasWorked = true
      this.#take(server, batch)
      for (const peer of batch.snapshotsWanted) this.#offer(server, peer)
      while (mayWrite && server.jobs.length > 0) this.#write(server)
      if (server.toApply.length > 0 || server.toRestore !== null) this.#apply(server)
      if (server.offered === null) continue
      const sender = this.#servers.get(server.offered.from)
      this.#image(server, 'received')
      sender?.core.handle({ kind: 'snapshot-report', peer: server.id, ok: true })
    }
    while (mayWrite && server.jobs.length > 0) {
      hasWorked = true
      this.#write(server)
    }
    return hasWorked
  }

  #handAll(servers: readonly ScenarioServer[]): boolean {
    const isForThem = (message: RaftMessage): boolean => {
      return servers.some((server) => server.id === message.to)
    }
    const due = this.#network.filter(isForThem)
    this.#network = this.#network.filter((message) => !isForThem(message))
    for (const message of due) this.#hand(message)
    return due.length > 0
  }

  #state(): void {
    for (const server of [...this.#servers.values()].sort((x, y) => compareIds(x.id, y.id))) {
      if (!server.isUp) {
        this.#say(`${server.id} down`)
        continue
      }
      const { core } = server
      const parts = [
        `${server.id} ${core.role} t${core.term}`,
        `leader ${core.leader ?? 'none'}`,
        `commit ${core.commit} applied ${core.applied} last ${printPosition(core.last)}`,
      ]
      if (core.vote !== null) parts.push(`voted ${core.vote}`)
      if (core.isRecovering) parts.push('recovering')
      if (core.transferTarget !== null) parts.push(`hands over to ${core.transferTarget}`)
      if (core.failure !== null) parts.push(core.failure)
      this.#say(parts.join(', '))
    }
  }

  #log(server: ScenarioServer): void {
    const { core } = server
    if (core.snapshot !== null) this.#say(printSnapshot(core.snapshot))
    for (let index = core.firstIndex as number; ; index++) {
      const entry = core.entry(index)
      if (entry === undefined) return
      this.#say(printEntry(entry))
    }
  }

  #disk(server: ScenarioServer): void {
    const { hardState, snapshot, entries, damagedTo } = server.disk
    this.#say(`t${hardState.term} vote ${hardState.vote ?? 'none'} commit ${hardState.commit}`)
    if (snapshot !== null) this.#say(printSnapshot(snapshot))
    if (damagedTo !== null) this.#say(`damaged to ${damagedTo}`)
    for (const entry of entries) this.#say(printEntry(entry))
  }

  #server(id: string): ScenarioServer {
    const server = this.#servers.get(id)
    if (server === undefined) throw new Error(`no server "${id}"`)
    return server
  }

  #say(line: string): void {
    this.#out.push(line)
  }
}

function isKind(text: string): boolean {
  return !text.includes('>') && text !== 'drop' && text !== 'copy'
}
