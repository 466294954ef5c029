/**
 * /v1/snapshot: the whole replicated state as one archive, saved and restored (http-api.md 21).
 *
 * Both ways through a nameless temporary file, because a tar archive says the size before the bytes and its
 * digests come last. Guarantees: nothing is sent before the image is complete here, and nothing reaches the
 * servers before the archive was read to its end and both digests were right.
 * Bounds: those of runtime/archive/snapshot-archive.ts and snapshot-transfers.ts.
 */

import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { IMAGE_MAGIC } from '../../../core/catalog/image-format.ts'
import { FairleadError, toFairleadError } from '../../../core/errors.ts'
import type { StateImage } from '../../../core/rpc/operator.ts'
import {
  type ArchiveMeta,
  readArchive,
  STATE_SIZE_MAX,
  writeArchive,
} from '../../../runtime/archive/snapshot-archive.ts'
import { SpoolFile } from '../../../runtime/archive/spool-file.ts'
import type { HttpCall } from '../call.ts'
import type { AgentContext } from '../context.ts'
import { datacenterOf, readParameters } from '../query-options.ts'
import { metaHeaders } from '../reading.ts'
import { emptyReply, type Reply, StreamedBody } from '../reply.ts'
import type { Route } from '../route.ts'

const ARCHIVE_TYPE = 'application/x-gzip'
const META_VERSION = 1

export const SNAPSHOT_ROUTES: readonly Route[] = [
  {
    path: '/v1/snapshot',
    doc: 'Saves the state of the servers as an archive; restores one',
    query: ['stale'],
    streamsBody: true,
    methods: { GET: save, PUT: restore },
  },
]

async function save(call: HttpCall): Promise<Reply> {
  refuseOtherDatacenter(call)
  const { agent } = call
  const { consistency } = readParameters(call)
  const isStale = consistency === 'stale'
  const done = agent.snapshots.begin()
  let spool: SpoolFile | undefined
  try {
    spool = await spoolFor(agent)
    const image = await call.servers.saveImage({ stale: isStale, signal: call.signal })
    for await (const chunk of image.chunks) {
      call.signal.throwIfAborted()
      if (spool.sizeBytes + chunk.length > STATE_SIZE_MAX) {
        throw new FairleadError('TOO_LARGE', `The state is over ${STATE_SIZE_MAX} bytes`)
      }
      await spool.write(chunk)
    }
    const { leader } = await call.servers.status()
    const facts = { index: image.index, knownLeader: leader !== '', lastContactMs: 0 }
    const headers = metaHeaders(facts, isStale ? 'stale' : 'default')
    const now = agent.clock.wall()
    const chunks = writeArchive(metaOf(image, spool.sizeBytes, now), spool, now)
    const body = new StreamedBody(chunks, async () => {
      done()
      await spool?.[Symbol.asyncDispose]()
    })
    return { status: 200, type: ARCHIVE_TYPE, headers, body }
  } catch (thrown) {
    done()
    await spool?.[Symbol.asyncDispose]()
    throw thrown
  }
}

function metaOf(image: StateImage, sizeBytes: number, now: number): ArchiveMeta {
  const { index, term, configuration } = image
  return {
    Version: META_VERSION,
    ID: `${term}-${index}-${Math.floor(now)}`,
    Index: index,
    Term: term,
    Peers: null,
    Configuration: {
      Servers: configuration.servers.map(({ id, address, isVoter }) => ({
        Suffrage: isVoter ? 0 : 1,
        ID: id,
        Address: address,
      })),
    },
    ConfigurationIndex: configuration.index,
    Size: sizeBytes,
  }
}

async function restore(call: HttpCall): Promise<Reply> {
  refuseOtherDatacenter(call)
  if (call.query.has('stale')) {
    throw new FairleadError('BAD_REQUEST', 'A snapshot is restored by the leader, not with ?stale')
  }
  const done = call.agent.snapshots.begin()
  try {
    await using spool = await spoolFor(call.agent)
    await readArchive(call.bodyStream, (bytes) => spool.write(bytes))
    await refuseForeign(spool)
    await restoreFrom(call, spool)
    call.agent.log.warn('the state of the servers was replaced by a snapshot', {
      sizeBytes: spool.sizeBytes,
    })
    return emptyReply()
  } finally {
    done()
  }
}

/** The servers refuse an image as a bad request; here the archive was at fault, which is a 500. */
async function restoreFrom({ servers, signal }: HttpCall, spool: SpoolFile): Promise<void> {
  try {
    await servers.restoreImage(spool.read(), signal)
  } catch (thrown) {
    const error = toFairleadError(thrown)
    if (error.code !== 'BAD_REQUEST' && error.code !== 'NOT_SUPPORTED') throw error
    throw unreadable(error.message, thrown)
  }
}

async function refuseForeign(spool: SpoolFile): Promise<void> {
  for await (const chunk of spool.read()) {
    if (Buffer.from(chunk).toString('latin1', 0, IMAGE_MAGIC.length) === IMAGE_MAGIC) return
    break
  }
  throw unreadable(
    'its state is not of Fairlead; a snapshot of Consul cannot be restored, move keys with kv export and kv import',
  )
}

function unreadable(reason: string, cause?: unknown): FairleadError {
  return new FairleadError('REJECTED', `failed to read snapshot file: ${reason}`, { cause })
}

function refuseOtherDatacenter(call: HttpCall): void {
  if (datacenterOf(call) === undefined) return
  throw new FairleadError('NO_PATH_TO_DATACENTER', 'No path to datacenter')
}

/** Beside the agent's data; in the system's folder for an agent that keeps none. */
function spoolFor({ config }: AgentContext): Promise<SpoolFile> {
  const folder = config.dataDir === '' ? tmpdir() : config.dataDir
  return SpoolFile.create(folder, `snapshot-${randomUUID()}.tmp`)
}
