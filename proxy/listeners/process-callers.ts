/**
 * Whose call a connection on a shared address is, told by the process that made it (decision 0005).
 *
 * Reads /proc outside the path of requests, once per connection; connections that arrive together are
 * answered from one reading. Guarantees: a connection whose owner cannot be found among the services' processes
 * gets the fallback identity of its listener, then that of the rules; with neither it is refused. Nothing is
 * read when every answer would be the same. Bounds: WAITING_MAX connections asking at once, beyond it refused;
 * what is known of processes is at most PROCESSES_MAX_AGE_MS old when it says "none", or SCAN_SHARE times what
 * a reading takes: a host with many processes must not spend itself on callers that are no service.
 */

import type { Socket } from 'node:net'
import { sameData } from '../../core/catalog/equality.ts'
import type { Logger } from '../../core/log.ts'
import type { CallerRules } from '../../core/mesh/proxy-snapshot.ts'
import type { Clock } from '../../core/time.ts'
import { holdersOf, readProcesses } from '../../runtime/proc/process-table.ts'
import { type SocketEnd, SocketTable } from '../../runtime/proc/socket-table.ts'
import { CallerMatcher, type ServiceProcesses } from './caller-match.ts'
import type { CallerIdentities } from './outbound-listener.ts'

export interface ProcessCallersDeps {
  readonly clock: Clock
  readonly log: Logger
  /** `/proc`, or a copy of it in tests. */
  readonly procRoot?: string
}

interface Question {
  /** The caller's end, and ours. */
  readonly local: SocketEnd
  readonly remote: SocketEnd
  readonly answer: (identityId: string | undefined) => void
}

interface Known {
  readonly at: number
  readonly scanMs: number
  /** Inodes of the services' listening sockets, to see when one has been restarted. */
  readonly listeners: string
  readonly matcher: CallerMatcher
  readonly candidates: readonly number[]
}

const WAITING_MAX = 1024
/** A process found in an older reading is still that process; one not found may be new. */
const PROCESSES_MAX_AGE_MS = 100
/** Readings of all processes take at most one part in this many of the time. */
const SCAN_SHARE = 20

export class ProcessCallers implements CallerIdentities {
  readonly #clock: Clock
  readonly #log: Logger
  readonly #procRoot: string
  #rules: CallerRules = { services: [] }
  #waiting: Question[] = []
  #isReading = false
  #known: Known | undefined

  constructor(deps: ProcessCallersDeps) {
    this.#clock = deps.clock
    this.#log = deps.log
    this.#procRoot = deps.procRoot ?? '/proc'
  }

  update(rules: CallerRules): void {
    if (sameData(this.#rules, rules)) return
    this.#rules = rules
    this.#known = undefined
  }

  async identify(socket: Socket, fallbackOfListener?: string): Promise<string | undefined> {
    const { services, fallbackIdentityId } = this.#rules
    const fallback = fallbackOfListener ?? fallbackIdentityId
    if (services.every(({ identityId }) => identityId === fallback)) return fallback
    const { remoteAddress, remotePort, localAddress, localPort } = socket
    if (remoteAddress === undefined || localAddress === undefined) return fallback
    if (this.#waiting.length >= WAITING_MAX) {
      this.#log.warn('too many connections wait to be told apart')
      return undefined
    }
    const owner = await new Promise<string | undefined>((answer) => {
      this.#waiting.push({
        local: { address: remoteAddress, port: remotePort ?? 0 },
        remote: { address: localAddress, port: localPort ?? 0 },
        answer,
      })
      void this.#readForAll()
    })
    return owner ?? fallback
  }

  stop(): void {
    for (const question of this.#waiting.splice(0)) question.answer(undefined)
  }

  async #readForAll(): Promise<void> {
    if (this.#isReading) return
    this.#isReading = true
    while (this.#waiting.length > 0) {
      const questions = this.#waiting.splice(0)
      try {
        await this.#answer(questions)
      } catch (err) {
        this.#log.warn('cannot read which process a connection belongs to', { err })
        for (const question of questions) question.answer(undefined)
      }
    }
    this.#isReading = false
  }

  async #answer(questions: readonly Question[]): Promise<void> {
    const sockets = await SocketTable.read(this.#procRoot)
    const inodes = questions.map((each) => sockets.inodeOf(each.local, each.remote))
    const wanted = new Set(inodes.filter((inode) => inode !== undefined))
    let known = await this.#processes(sockets, false)
    let owners = await holdersOf(this.#procRoot, known.candidates, wanted)
    const maxAgeMs = Math.max(PROCESSES_MAX_AGE_MS, SCAN_SHARE * known.scanMs)
    const isOld = this.#clock.now() - known.at > maxAgeMs
    if (owners.size < wanted.size && isOld) {
      known = await this.#processes(sockets, true)
      owners = await holdersOf(this.#procRoot, known.candidates, wanted)
    }
    for (const [i, question] of questions.entries()) {
      const inode = inodes[i]
      const pid = inode === undefined ? undefined : owners.get(inode)?.[0]
      question.answer(pid === undefined ? undefined : known.matcher.match(pid))
    }
  }

  async #processes(sockets: SocketTable, isFresh: boolean): Promise<Known> {
    const { services } = this.#rules
    const byService = services.map(({ port }) => sockets.listeners(port))
    const listeners = JSON.stringify(byService)
    if (!isFresh && this.#known?.listeners === listeners) return this.#known
    const at = this.#clock.now()
    const processes = await readProcesses(this.#procRoot)
    const inodes = new Set(byService.flat())
    const holders = await holdersOf(this.#procRoot, processes.keys(), inodes)
    const listening: ServiceProcesses[] = services.map(({ identityId }, i) => ({
      identityId,
      pids: new Set((byService[i] ?? []).flatMap((inode) => holders.get(inode) ?? [])),
    }))
    const matcher = new CallerMatcher(processes, listening)
    const scanMs = this.#clock.now() - at
    this.#known = { at, scanMs, listeners, matcher, candidates: matcher.candidates() }
    return this.#known
  }
}
