/**
 * Images between simulated servers, in chunks, both ends (specification 9.3; server/raft/image-*.ts).
 *
 * One transfer out and one in at a time. The offer goes through the core like any message; when the core
 * wants the image, chunks follow within a window, and what a broken transfer left is resumed. The core hears
 * the end of everything it asked for. Uses the shipped state machine of reception.
 */

import type { SnapshotMeta, SnapshotOffer } from '../../../core/raft/types.ts'
import { serverId } from '../../../core/raft/types.ts'
import { ImageReception } from '../../../server/raft/image-reception.ts'
import type { StoredImage } from './model-disk.ts'
import type { SimServer } from './sim-server.ts'

const WINDOW_CHUNKS = 8
const CHUNKS_MAX = 64
/** Election timeouts without progress after which an end gives up. */
const PATIENCE = 8

interface Outgoing {
  readonly id: string
  readonly peer: string
  readonly image: StoredImage
  readonly begunAt: number
  sent: number
  acked: number
  isAccepted: boolean
  movedAt: number
}

interface Incoming {
  readonly id: string
  readonly from: string
  readonly image: StoredImage
  isWriting: boolean
  movedAt: number
}

export class ImageHost {
  readonly #server: SimServer
  readonly #boot: number
  readonly #reception = new ImageReception()
  #waiting: string[] = []
  #outgoing: Outgoing | null = null
  #offered: Incoming | null = null
  #incoming: Incoming | null = null
  #transfers = 0

  constructor(server: SimServer) {
    this.#server = server
    this.#boot = server.boots
  }

  get isIdle(): boolean {
    return this.#outgoing === null && this.#incoming === null
  }

  /** The core wants an image sent. */
  wanted(peer: string): void {
    if (!this.#waiting.includes(peer)) this.#waiting.push(peer)
    this.#next()
  }

  /** Office was lost: what is on its way is broken off. */
  officeLost(): void {
    this.#waiting = []
    const out = this.#outgoing
    if (out === null) return
    this.#outgoing = null
    this.#setSending(null)
    this.#tell(out.peer, 0, (host) => host.#broken(out.id))
  }

  /** The stream to or from `peer` broke. */
  unreachable(peer: string): void {
    if (this.#outgoing?.peer === peer) this.#end(this.#outgoing, false)
    if (this.#incoming?.from === peer) this.#abandon(this.#incoming)
  }

  /** The core has had its turn: did it want what was offered? */
  judged(wanted: SnapshotOffer | null): void {
    const offered = this.#offered
    if (offered === null) return
    const verdict = this.#reception.judged(wanted?.snapshot ?? null)
    if (verdict === null) return
    this.#offered = null
    if (verdict === 'declined') {
      this.#tell(offered.from, 20, (host) => host.#declined(offered.id))
      return
    }
    const { disk, context } = this.#server
    const { image } = offered
    const isResumed =
      disk.partial !== null &&
      disk.partial.digest === image.digest &&
      disk.partial.meta.index === image.meta.index &&
      disk.partial.meta.term === image.meta.term
    if (isResumed) context.counters.add('event.image-resumed')
    else {
      disk.partial = {
        meta: image.meta,
        sizeBytes: image.bytes.length,
        digest: image.digest,
        received: 0,
      }
    }
    this.#incoming = offered
    offered.movedAt = context.events.now
    this.#watchIncoming(offered)
    const from = disk.partial?.received ?? 0
    this.#tell(offered.from, 20, (host) => host.#accepted(offered.id, from))
  }

  #next(): void {
    if (this.#outgoing !== null) return
    const peer = this.#waiting.shift()
    if (peer === undefined) return
    const { life, disk, context, id } = this.#server
    if (life === null) return
    const { core } = life
    // Office may be lost in this very turn, before anybody was told.
    if (core.role !== 'leader') return
    const fitting = [...disk.images.values()]
      .filter(({ meta }) => meta.index >= core.firstIndex - 1 && meta.index <= core.applied)
      .sort((x, y) => y.meta.index - x.meta.index)
    const image = fitting[0]
    if (image === undefined) {
      life.snapshots.take()
      context.events.after(context.electionUs, () => {
        this.#server.complete(this.#boot, () => {
          this.#server.handle({ kind: 'snapshot-report', peer: serverId(peer), ok: false })
        })
      })
      this.#next()
      return
    }
    const out: Outgoing = {
      id: `${id}.${this.#boot}.${++this.#transfers}`,
      peer,
      image,
      begunAt: core.last.index,
      sent: 0,
      acked: 0,
      isAccepted: false,
      movedAt: context.events.now,
    }
    this.#outgoing = out
    this.#setSending(image.meta.index)
    context.counters.add('event.image-offered')
    const offer = core.offerOf(serverId(peer), image.meta)
    context.oracle.released(offer, disk, core)
    this.#tell(peer, 200, (host) => {
      const incoming = { id: out.id, from: id, image, isWriting: false, movedAt: 0 }
      if (!host.#reception.offered(image.meta)) {
        host.#tell(id, 20, (sender) => sender.#declined(out.id))
        return
      }
      host.#offered = incoming
      host.#server.handle({ kind: 'receive', message: offer })
    })
    this.#watchOutgoing(out)
  }

  #accepted(id: string, from: number): void {
    const out = this.#outgoing
    if (out?.id !== id || out.isAccepted) return
    out.isAccepted = true
    out.sent = from
    out.acked = from
    this.#pump(out)
  }

  #declined(id: string): void {
    if (this.#outgoing?.id === id) this.#end(this.#outgoing, false)
  }

  #pump(out: Outgoing): void {
    // Tiny chunks take long paths; more of them than this only take long.
    const least = Math.ceil(out.image.bytes.length / CHUNKS_MAX)
    const chunkBytes = Math.max(this.#server.context.swarm.chunkBytes, least)
    out.movedAt = this.#server.context.events.now
    const size = out.image.bytes.length
    const window = WINDOW_CHUNKS * chunkBytes
    do {
      const offset = out.sent
      const bytes = Math.min(chunkBytes, size - offset)
      out.sent += bytes
      this.#tell(out.peer, bytes, (host) => host.#chunk(out.id, offset, bytes))
    } while (out.sent < size && out.sent - out.acked < window)
  }

  #chunk(id: string, offset: number, bytes: number): void {
    const incoming = this.#incoming
    const { partial } = this.#server.disk
    if (incoming?.id !== id || partial === null || offset !== partial.received) return
    const { events, swarm, electionUs } = this.#server.context
    incoming.movedAt = events.now
    partial.received += bytes
    this.#server.passes('image.receive.chunk')
    if (partial.received < partial.sizeBytes) {
      const { received } = partial
      this.#tell(incoming.from, 20, (host) => host.#acked(id, received))
      return
    }
    incoming.isWriting = true
    const { isDisturbed, rng } = this.#server
    // What comes to its end during a pause is all told in one turn.
    if (isDisturbed && swarm.clock.hasPauses && rng.float() < 0.3) {
      this.#server.pause(4 * electionUs * rng.float())
    }
    const mean = isDisturbed ? swarm.imageMean : swarm.disk.writeMean
    events.after(mean * 2 * rng.float(), () => {
      this.#server.complete(this.#boot, () => {
        if (this.#incoming !== incoming) return
        this.#server.passes('image.receive.before-sync')
        this.#server.disk.keepImage(incoming.image)
        this.#server.disk.partial = null
        this.#incoming = null
        this.#reception.ended()
        this.#server.passes('image.receive.durable')
        this.#server.context.counters.add('event.image-received')
        this.#server.handle({ kind: 'snapshot-received', snapshot: incoming.image.meta })
        this.#tell(incoming.from, 20, (host) => host.#received(id))
      })
    })
  }

  #acked(id: string, received: number): void {
    const out = this.#outgoing
    if (out?.id !== id) return
    out.acked = Math.max(out.acked, received)
    if (out.sent < out.image.bytes.length) this.#pump(out)
    else out.movedAt = this.#server.context.events.now
  }

  #received(id: string): void {
    if (this.#outgoing?.id === id) this.#end(this.#outgoing, true)
  }

  /** The sender broke off. */
  #broken(id: string): void {
    if (this.#incoming?.id === id) this.#abandon(this.#incoming)
  }

  #end(out: Outgoing, ok: boolean): void {
    const { life, context } = this.#server
    if (this.#outgoing !== out || life === null) return
    this.#outgoing = null
    this.#setSending(null)
    life.snapshots.transferEntries = life.core.last.index - out.begunAt
    const report = (): void => {
      this.#server.handle({ kind: 'snapshot-report', peer: serverId(out.peer), ok })
    }
    if (ok) report()
    else {
      context.counters.add('fault.image.failed')
      context.events.after(context.electionUs / 2, () => this.#server.complete(this.#boot, report))
    }
    this.#next()
  }

  #abandon(incoming: Incoming): void {
    if (this.#incoming !== incoming || incoming.isWriting) return
    this.#incoming = null
    this.#reception.ended()
    const snapshot: SnapshotMeta = incoming.image.meta
    this.#server.handle({ kind: 'snapshot-abandoned', snapshot })
  }

  #watchOutgoing(out: Outgoing): void {
    const { context } = this.#server
    context.events.after(context.electionUs * 2, () => {
      this.#server.complete(this.#boot, () => {
        if (this.#outgoing !== out) return
        const isStuck = context.events.now - out.movedAt > PATIENCE * context.electionUs
        if (isStuck) this.#end(out, false)
        else this.#watchOutgoing(out)
      })
    })
  }

  #watchIncoming(incoming: Incoming): void {
    const { context } = this.#server
    context.events.after(context.electionUs * 2, () => {
      this.#server.complete(this.#boot, () => {
        if (this.#incoming !== incoming) return
        const isStuck = context.events.now - incoming.movedAt > PATIENCE * context.electionUs
        if (isStuck) this.#abandon(incoming)
        else this.#watchIncoming(incoming)
      })
    })
  }

  #setSending(index: number | null): void {
    const { life } = this.#server
    if (life !== null) life.snapshots.sending = index
  }

  /** Delivered to the other end's present process, if there is one. */
  #tell(to: string, bytes: number, what: (host: ImageHost) => void): void {
    const { context, id } = this.#server
    context.sendImage({
      from: id,
      to,
      bytes,
      deliver: () => {
        const server = context.server(to)
        server?.request(() => {
          const host = server.life?.images
          if (host !== undefined) what(host)
        })
      },
    })
  }
}
